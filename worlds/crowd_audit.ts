/** Books and chain of many lanes, each read once. */
import assert from "node:assert/strict";
import { earned } from "../lib/chain/escrow_provider.ts";
import { escrowCall } from "../lib/chain/escrow_call.ts";
import { readJournal } from "../lib/provider/ledger/store.ts";
import type { CallerLane } from "./callers.ts";
import { PRICE } from "./chain/escrow_chain.ts";
import type { Market } from "./market.ts";

/** What one request to the chain asks for. */
const READ_AT_ONCE = 500;

const keyOf = ({ payer, lane }: Pick<CallerLane, "payer" | "lane">) => `${payer} ${lane}`;

/** Credits that the ledger at `path` has charged, by lane. */
function chargesIn(path: string): Map<string, number> {
  const charges = new Map<string, number>();
  for (const entry of readJournal(path, {})) {
    if (entry.kind !== "charge") continue;
    charges.set(keyOf(entry), (charges.get(keyOf(entry)) ?? 0) + 1);
  }
  return charges;
}

/**
 * Holds what callers were answered, what the ledger charged and what the escrow took against each
 * other, once the provider has stopped in good order.
 * @returns how many credits were answered, and charged
 * @throws AssertionError that names the lane
 */
export async function auditCrowd(
  { chain, escrow, accounts: { provider } }: Market,
  ledger: string,
  lanes: readonly CallerLane[],
): Promise<{ paid: number; charged: number }> {
  const charges = chargesIn(ledger);
  const sum = { paid: 0, charged: 0 };
  for (let from = 0; from < lanes.length; from += READ_AT_ONCE) {
    const some = lanes.slice(from, from + READ_AT_ONCE);
    const taken = await chain.readMany<bigint>(
      some.map(({ payer, lane }) =>
        escrowCall(escrow, "consumed", [payer, provider.address, lane])
      ),
    );
    for (const [n, lane] of some.entries()) {
      const charged = charges.get(keyOf(lane)) ?? 0;
      const { paid, unsure } = lane;
      const about = `${keyOf(lane)}: ${paid} answered, ${unsure} perhaps, ${charged} charged, ` +
        `${taken[n]} taken by the escrow`;
      assert(paid <= charged && charged <= paid + unsure, about);
      assert.equal(Number(taken[n]), charged, about);
      sum.paid += paid;
      sum.charged += charged;
      charges.delete(keyOf(lane));
    }
  }
  assert.deepEqual([...charges], [], "charges of lanes that nobody called on");
  assert.equal(await earned(chain, escrow, provider.address), BigInt(sum.charged) * PRICE);
  return sum;
}

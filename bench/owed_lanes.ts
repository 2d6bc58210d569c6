/** Books of a provider that many lanes owe one credit each. */
import { join } from "node:path";
import type { CidText } from "../lib/cid.ts";
import type { Permit } from "../lib/permit.ts";
import type { Entry } from "../lib/provider/ledger/entries.ts";
import { openStore } from "../lib/provider/ledger/store.ts";

/** Permits whose entries are written before the disk is waited for. */
const AT_ONCE = 500;

/** Writes the ledger in `dir`; on each permit's lane a credit was used at its price. */
export async function writeOwedLanes(dir: string, permits: readonly Permit[]): Promise<void> {
  const store = await openStore(join(dir, "ledger.db"));
  for (const [index, permit] of permits.entries()) {
    const written = store.write(entriesOf(permit, index + 1), "handed over");
    if (index % AT_ONCE === 0) await written;
  }
  await store.close();
}

function entriesOf(permit: Permit, reservation: number): Entry[] {
  const { payer, lane, price } = permit;
  const id = { payer, lane };
  return [
    { kind: "open", ...id, charged: 0n },
    { kind: "permit", ...id, permit, signer: payer },
    { kind: "reserve", ...id, reservation, cid: "bafytest" as CidText, price },
    { kind: "charge", ...id, reservation, outcome: "answered" },
  ];
}

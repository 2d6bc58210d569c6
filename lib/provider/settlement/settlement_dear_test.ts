/** Gas is too dear for a batch: what is worth it goes without the rest. */
import assert from "node:assert/strict";
import type { Hex } from "viem";
import { ANNA, BERT, openSettlingBooks } from "../../../worlds/chain/settling_books.ts";
import { KhachapuriError } from "../../errors.ts";

const laneOf = (n: number): Hex => `0x${String(n).padStart(64, "0")}`;
const GAS_PRICE = 1_000_000_000n;

Deno.test("debts of which a batch cannot pay for its gas keep nobody else's from the escrow", async () => {
  // A thousand units of gas cost one base unit of USDC.
  await using books = await openSettlingBooks({ coinPrice: 1_000_000n });
  const { settlement, use, capacity } = books;
  books.gasPrice = GAS_PRICE;
  // Rows of lanes that are warm took 20,000 each; what is signed has 40,000.
  for (let n = 0; n < 40; n++) capacity.noteBatch(1, 80_000n);
  // As the outbox: no less than the base fee for each unit of the gas that is signed for.
  books.refuse = ({ costMax, gasMin }) =>
    costMax !== null && costMax / gasMin! < GAS_PRICE
      ? new KhachapuriError("chain_unavailable", "gas is too dear", {
        data: { reason: "GasTooDear" },
      })
      : null;
  for (let n = 1; n <= 240; n++) await use(ANNA, laneOf(n), 1, { price: 30n, deadline: 1_000n });
  await use(BERT, laneOf(900), 20, { price: 100n, deadline: 1_100n });
  books.now = 990_000;
  await settlement.settleNow();
  const sent = books.batches.flat().map(({ permit: { payer } }) => payer);
  assert.ok(sent.includes(BERT.address), "behind another's dust");
});

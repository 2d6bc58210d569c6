/** How a node waits for what its calls wish, before a database that is an object. */
import assert from "node:assert/strict";
import { KhachapuriError } from "../../../errors.ts";
import { EXACT_OUT_MAX } from "../../../limits_of_exact.ts";
import { ACCOUNTS } from "../../../../worlds/chain/people.ts";
import { aWhile, turn } from "../../../../worlds/turns.ts";
import type { Wished } from "../../ledger/postgres/purchase_wishes.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import { FleetSettler } from "./fleet_settler.ts";

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

function playedSettler() {
  const played = {
    isAway: false,
    reads: [] as (readonly number[])[],
    over: new Set<number>(),
    wished: 0,
  };
  const purchaseOf = (id: number) =>
    ({ id, state: "paid", authorization: { from: ACCOUNTS.payer.address } }) as Purchase;
  const settler = new FleetSettler({
    chainId: 31_337,
    purchases: { runOf: (id) => `run ${id}` },
    onWish: () => played.wished += 1,
    wishes: {
      wish: () => played.isAway ? Promise.reject(new Error("away")) : Promise.resolve(),
      read(ids) {
        played.reads.push(ids);
        if (played.isAway) return Promise.reject(new Error("away"));
        const wished = (id: number): Wished => ({
          purchase: purchaseOf(id),
          isOver: played.over.has(id),
          failure: null,
        });
        return Promise.resolve(ids.map(wished));
      },
    },
  });
  return { played, settler, settle: (id: number) => settler.settle(purchaseOf(id)) };
}

Deno.test("all that wait are looked for at once, and nothing is asked while nobody does", async () => {
  const { played, settler, settle } = playedSettler();
  const waiting = [settle(1), settle(2)];
  await until(() => played.reads.length === 2);
  assert.deepEqual(played.reads.at(-1), [1, 2]);
  assert.equal(played.wished, 2);
  played.isAway = true;
  await until(() => played.reads.length === 4);
  played.isAway = false;
  played.over.add(2);
  assert.equal((await waiting[1]!).id, 2);
  await until(() => played.reads.at(-1)!.length === 1);
  played.over.add(1);
  assert.equal((await waiting[0]!).id, 1);
  await settler.close();
  const asked = played.reads.length;
  await aWhile();
  assert.equal(played.reads.length, asked);
});

Deno.test("a wish that may not have been heard is nobody's failure, as it may have been", async () => {
  const { played, settle } = playedSettler();
  played.isAway = true;
  const error = await settle(1).catch((error) => error);
  assert.ok(error instanceof KhachapuriError);
  assert.equal(error.data.x402Reason, "settlement_pending");
});

Deno.test("a node has no more calls wait than may be settled at once", async () => {
  const { settler, settle } = playedSettler();
  const waiting = [];
  for (let id = 1; id <= EXACT_OUT_MAX; id++) {
    settler.assertRoom(ACCOUNTS.payer.address);
    waiting.push(settle(id).catch(() => {}));
  }
  await aWhile();
  assert.throws(() => settler.assertRoom(ACCOUNTS.payer.address), { code: "overloaded" });
  await settler.close();
  await Promise.all(waiting);
  settler.assertRoom(ACCOUNTS.payer.address);
});

/**
 * The money as a state machine: the whole wiring (credits, ledger, operator, follower, settlement)
 * on a chain in memory, against what a person with paper and pencil would say.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { openHistory } from "../../../worlds/chain/payment_history.ts";
import { LANES, PAYERS, step } from "../../../worlds/chain/payment_steps.ts";
import "../../../worlds/property_seed.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 200);
/** A step that takes longer will never end, ms. */
const STUCK_MS = 20_000;

/** @throws Error when `work` waits for something that does not come */
async function ends(work: Promise<void>, what: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} hangs`)), STUCK_MS);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function holds(mode: "batch" | "each", runs: number): Promise<void> {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 10, maxLength: 50, size: "max" }),
    async (steps) => {
      await using history = await openHistory(mode);
      for (const each of steps) {
        await ends(history.take(each), each.do);
        history.check();
      }
      await ends(history.finish(), "finish");
    },
  );
  await fc.assert(property, { numRuns: runs });
}

Deno.test("no history of payers, runs, crashes and forks overdraws or loses a credit", async () => {
  await holds("batch", RUNS);
});

Deno.test("nor does one in which the escrow takes each credit first", async () => {
  await holds("each", Math.ceil(RUNS / 2));
});

Deno.test("a permit whose epoch a fork took back is settled once the epoch comes again", async () => {
  await using history = await openHistory("batch");
  const { fake } = history;
  const { address } = PAYERS[0]!;
  const taken = () => fake.consumed(address, LANES[0]!);
  await history.take({ do: "take permits back", payer: 0 });
  await history.take({ do: "hear" });
  await history.take({ do: "call", payer: 0, lane: 0, permit: 2, age: 0 });
  await history.take({ do: "charge", nth: 0 });
  // The block that was heard, and the one before it with the notice.
  await history.take({ do: "reorganise", depth: 2, keeps: false });
  await history.take({ do: "hear" });
  await history.take({ do: "settle" });
  assert.deepEqual([fake.allowanceOf(address).epochEnd, taken()], [0n, 0n]);
  await history.take({ do: "take permits back", payer: 0 });
  await history.take({ do: "hear" });
  await history.take({ do: "settle" });
  assert.equal(taken(), 1n);
});

Deno.test("a settlement that a fork took back before a crash is due after it", async () => {
  await using history = await openHistory("batch");
  const { fake } = history;
  const call = { do: "call", payer: 0, lane: 0, permit: 2, age: 0 } as const;
  await history.take(call);
  await history.take({ do: "charge", nth: 0 });
  await history.take({ do: "settle" });
  assert.equal(fake.consumed(PAYERS[0]!.address, LANES[0]!), 1n);
  // No look at the chain saw its block.
  await history.take({ do: "reorganise", depth: 1, keeps: false });
  await history.take({ do: "crash" });
  // Nothing is asked about the lane itself.
  await history.take({ do: "burst", payer: 0, lane: 1, calls: 9 });
  await history.finish();
  assert.equal(fake.consumed(PAYERS[0]!.address, LANES[0]!), 1n);
});

Deno.test("a stop ends though its last batch is never mined, and the next start takes it up", async () => {
  await using history = await openHistory("batch");
  const { fake } = history;
  fake.isMining = false;
  await history.take({ do: "call", payer: 0, lane: 0, permit: 2, age: 0 });
  await history.take({ do: "charge", nth: 0 });
  await history.stop();
  assert.equal(fake.mempool.length, 1);
  await history.restart();
  fake.isMining = true;
  await history.finish();
  assert.equal(fake.consumed(PAYERS[0]!.address, LANES[0]!), 1n);
});

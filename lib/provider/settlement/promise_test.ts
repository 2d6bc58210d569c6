/**
 * The promise of docs/settlement.md in simulation: an adversary chooses who owes what, when and for
 * how long, who gives notice, what blocks leave for us, what gas costs, and which rows are skipped.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { openPromiseWorld } from "../../../worlds/chain/promise_world.ts";

/** What the adversary may do in one second. */
const move = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("idle" as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("owe" as const),
      payer: fc.nat({ max: 7 }),
      lanes: fc.integer({ min: 1, max: 600 }),
      /** How long the permits are good beyond the window, seconds. */
      spare: fc.oneof(fc.constant(0), fc.nat({ max: 300 }), fc.constant(1e6)),
      isDust: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("notice" as const), payer: fc.nat({ max: 7 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("amount" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("dear" as const),
      times: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("skip" as const), payer: fc.nat({ max: 7 }) }),
  },
);

type Move = typeof move extends fc.Arbitrary<infer M> ? M : never;

async function play(moves: readonly Move[]) {
  const world = openPromiseWorld();
  for (const each of moves) {
    if (each.kind === "owe") world.owe(each);
    if (each.kind === "notice") await world.giveNotice(each.payer);
    if (each.kind === "amount") await world.amountIsDue();
    if (each.kind === "dear") world.gasCosts(each.times);
    if (each.kind === "skip") world.skip(each.payer);
    await world.second();
  }
  // Long enough for every turn, and for what is due then.
  for (let second = 0; second < 300; second++) await world.second();
  const told = { late: world.late(), settled: world.settled() };
  await world.close();
  return told;
}

Deno.test("no debt waits more than one round and one block beyond its turn", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(move, { minLength: 20, maxLength: 80, size: "max" }),
      async (moves) => {
        assert.deepEqual((await play(moves)).late, []);
      },
    ),
    { numRuns: 12 },
  );
});

Deno.test("a payer with a low address and dust without end keeps nobody waiting", async () => {
  const moves: Move[] = [];
  for (let second = 0; second < 120; second++) {
    moves.push({ kind: "owe", payer: 0, lanes: 300, spare: 0, isDust: false });
    if (second % 10 === 0) moves.push({ kind: "owe", payer: 7, lanes: 1, spare: 0, isDust: false });
    if (second % 30 === 0) moves.push({ kind: "amount" });
  }
  const { late, settled } = await play(moves);
  assert.deepEqual(late, []);
  assert.ok(settled > 2_000, `${settled} were settled`);
});

Deno.test("the check notices a debt that waits too long", async () => {
  const world = openPromiseWorld();
  world.owe({ payer: 0, lanes: 1, spare: 1e6, isDust: false });
  world.holdBack();
  for (let second = 0; second < 200; second++) await world.second();
  assert.equal(world.late().length, 1);
  await world.close();
});

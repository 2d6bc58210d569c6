/** The whole money among many payers, whatever anybody does with time, order, gas and silence. */
import fc from "fast-check";
import { Adversary, calm, type Move, rough } from "../../../worlds/chain/adversary.ts";
import { MoneyWorld } from "../../../worlds/chain/money_world.ts";
import "../../../worlds/property_seed.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 8);

async function holds(moves: fc.Arbitrary<Move[]>): Promise<void> {
  const property = fc.asyncProperty(moves, async (moves) => {
    await using world = await MoneyWorld.open();
    const adversary = new Adversary(world);
    await adversary.begin();
    for (const move of moves) {
      await adversary.take(move);
      adversary.check();
    }
    await adversary.finish();
  });
  await fc.assert(property, { numRuns: RUNS });
}

Deno.test("whatever payers, miners and nodes do, nobody is overcharged or goes unpaid unsaid", async () => {
  await holds(rough);
});

Deno.test("however payers call, nobody's debt waits beyond its turn", async () => {
  await holds(calm);
});

import assert from "node:assert/strict";
import { Rounds } from "./rounds.ts";

/** Rounds that wait to be let go, one after the other. */
function open(limits: { rounds: number; questions: number }) {
  const asked: number[][] = [];
  const waiting: PromiseWithResolvers<void>[] = [];
  const rounds = new Rounds<number, number>(limits, async (questions) => {
    asked.push([...questions]);
    const goesOn = Promise.withResolvers<void>();
    waiting.push(goesOn);
    await goesOn.promise;
    return questions.map((question) => question * 2);
  });
  /** The oldest round, once it has begun. */
  async function next(): Promise<PromiseWithResolvers<void>> {
    while (waiting.length === 0) await Promise.resolve();
    return waiting.shift()!;
  }
  return {
    rounds,
    asked,
    letGo: async () => (await next()).resolve(),
    fail: async (error: Error) => (await next()).reject(error),
  };
}

Deno.test("who asks alone is answered at once, who asks meanwhile together", async () => {
  const { rounds, asked, letGo } = open({ rounds: 1, questions: 10 });
  const answers = [1, 2, 3].map((question) => rounds.ask(question));
  assert.deepEqual([asked, rounds.waiting()], [[[1]], 2]);
  await letGo();
  assert.equal(await answers[0], 2);
  await letGo();
  assert.deepEqual(await Promise.all(answers), [2, 4, 6]);
  assert.deepEqual([asked, rounds.waiting()], [[[1], [2, 3]], 0]);
});

Deno.test("there are so many rounds at once, each of so many questions", async () => {
  const { rounds, asked, letGo } = open({ rounds: 2, questions: 2 });
  const answers = [1, 2, 3, 4, 5].map((question) => rounds.ask(question));
  assert.deepEqual(asked, [[1], [2]]);
  await letGo();
  for (const _ of [1, 2, 3]) await letGo();
  assert.deepEqual(await Promise.all(answers), [2, 4, 6, 8, 10]);
  assert.deepEqual(asked, [[1], [2], [3, 4], [5]]);
});

Deno.test("what ends a round ends it for all who were in it, and for nobody else", async () => {
  const { rounds, letGo, fail } = open({ rounds: 1, questions: 10 });
  const first = rounds.ask(1);
  const others = [rounds.ask(2), rounds.ask(3)];
  await letGo();
  await first;
  const ended = others.map((answer) => assert.rejects(answer, /down/));
  await fail(new Error("down"));
  await Promise.all(ended);
  const again = rounds.ask(4);
  await letGo();
  assert.equal(await again, 8);
});

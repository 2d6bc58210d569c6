import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { randomOf } from "../../../worlds/random.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { Askers, type EndTurn, FairTurns } from "./fair_turns.ts";

const WAIT_MS = 1_000;

/** Two of one group at a time, three of all. */
function watched({ waitingMax = 100, groupWaitingMax = 50 } = {}) {
  const clock = manualClock();
  const turns = new FairTurns<string>({
    hasRoom: (_group, own, all) => own < 2 && all < 3,
    waitMs: WAIT_MS,
    waitingMax,
    groupWaitingMax,
    refusal: () => new KhachapuriError("overloaded", "too many"),
    clock,
  });
  const begun: string[] = [];
  const ends = new Map<string, EndTurn>();
  const take = (name: string, group: string, signal?: AbortSignal) =>
    turns.take(group, signal).then((end) => {
      begun.push(name);
      ends.set(name, end);
    });
  const end = async (name: string) => {
    ends.get(name)!();
    await aWhile();
  };
  return { clock, turns, begun, take, end };
}

Deno.test("who finds no room waits, and begins when another is over", async () => {
  const { begun, take, end, clock, turns } = watched();
  await take("a1", "a");
  await take("a2", "a");
  const third = take("a3", "a");
  await aWhile();
  assert.deepEqual([begun, turns.waiting()], [["a1", "a2"], 1]);
  await end("a1");
  await end("a1");
  await third;
  assert.deepEqual([begun, clock.pending()], [["a1", "a2", "a3"], 0]);
});

Deno.test("a thousand of one group let another's go first", async () => {
  const { begun, take, end } = watched();
  await take("a1", "a");
  await take("a2", "a");
  await take("c1", "c");
  for (let index = 3; index < 40; index++) void take(`a${index}`, "a");
  void take("b1", "b");
  void take("b2", "b");
  await end("a1");
  assert.equal(begun.at(-1), "b1", "who has nothing under way is next");
  await end("c1");
  assert.equal(begun.at(-1), "a3", "of those that have as much, whoever came first");
});

Deno.test("a wait is bounded in time and number, and refused in the same words", async () => {
  const { take, clock } = watched({ waitingMax: 3, groupWaitingMax: 2 });
  for (const name of ["a1", "a2"]) await take(name, "a");
  const waiting = [take("a3", "a"), take("a4", "a")];
  await assert.rejects(take("a5", "a"), { message: "too many" });
  await take("b1", "b");
  waiting.push(take("b2", "b"));
  await assert.rejects(take("c1", "c"), { message: "too many" });
  const refused = Promise.all(waiting.map((one) => assert.rejects(one, { code: "overloaded" })));
  clock.advance(WAIT_MS);
  await refused;
  assert.equal(clock.pending(), 0);
});

Deno.test("a wait that is given up, or that an end comes over, leaves nothing behind", async () => {
  const { take, turns, clock } = watched();
  for (const name of ["a1", "a2"]) await take(name, "a");
  const controller = new AbortController();
  const left = take("a3", "a", controller.signal);
  controller.abort(new Error("gone"));
  await assert.rejects(left, { message: "gone" });
  await assert.rejects(take("a4", "a", controller.signal), { message: "gone" });
  const late = take("a5", "a");
  turns.close();
  await assert.rejects(late, { message: "too many" });
  assert.deepEqual([turns.waiting(), clock.pending()], [0, 0]);
});

Deno.test("whatever comes and goes, no bound is passed and nobody is forgotten", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomOf(seed);
    const under = new Map<string, number>();
    const ends: (() => void)[] = [];
    let [over, all] = [0, 0];
    const turns = new FairTurns<string>({
      hasRoom: (_group, own, count) => own < 2 && count < 5,
      waitMs: WAIT_MS,
      waitingMax: 1_000,
      groupWaitingMax: 1_000,
      refusal: () => new KhachapuriError("overloaded", "too many"),
      clock: manualClock(),
    });
    const asked = 60;
    for (let index = 0; index < asked; index++) {
      const group = random.pick(["a", "a", "a", "b", "c", "d"])!;
      void turns.take(group).then((end) => {
        under.set(group, (under.get(group) ?? 0) + 1);
        all += 1;
        assert.ok(all <= 5 && under.get(group)! <= 2);
        ends.push(() => {
          under.set(group, under.get(group)! - 1);
          all -= 1;
          over += 1;
          end();
        });
      });
      await Promise.resolve();
      if (random.pick([true, false])) ends.shift()?.();
    }
    for (let turn = 0; over < asked && turn < 1_000; turn++) {
      await Promise.resolve();
      ends.shift()?.();
    }
    assert.deepEqual([over, turns.waiting()], [asked, 0], `seed ${seed}`);
  }
});

Deno.test("what several ask for is given up with the last that goes", async () => {
  const askers = new Askers();
  const leaves: (() => void)[] = [];
  const caller = { whenGone: (leave: (() => void) | null) => void (leave && leaves.push(leave)) };
  const { promise, resolve } = Promise.withResolvers<number>();
  const both = [askers.with(caller, promise), askers.with(caller, promise)];
  leaves[0]!();
  assert.equal(askers.signal.aborted, false);
  leaves[1]!();
  assert.equal(askers.signal.aborted, true);
  resolve(7);
  assert.deepEqual(await Promise.all(both), [7, 7]);
});

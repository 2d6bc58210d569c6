import assert from "node:assert/strict";
import { TAKER_PATIENCE_MS } from "../../limits_of_callers.ts";
import { UNTAKEN_MS_MIN, Uptake } from "./uptake.ts";

function open(creditMs: number) {
  const clock = { now: 0 };
  return { clock, uptake: new Uptake(creditMs, () => clock.now) };
}

Deno.test("output that waits through a whole credit's time has a caller that takes nothing", () => {
  const { clock, uptake } = open(15_000);
  uptake.hand();
  clock.now = 14_999;
  uptake.assertTaken();
  clock.now = 15_000;
  const message = "the caller took nothing of the answer for 15 s";
  assert.throws(() => uptake.assertTaken(), { code: "program_timeout", shortMessage: message });
});

Deno.test("a slow caller that takes a piece now and then takes, and a silent program waits for none", () => {
  const { clock, uptake } = open(15_000);
  for (let piece = 0; piece < 5; piece++) {
    uptake.hand();
    clock.now += 14_000;
    uptake.assertTaken();
    uptake.take();
  }
  clock.now += 3_600_000;
  uptake.assertTaken();
});

Deno.test("a hiccup of the network ends no run, be its credits short", () => {
  const { clock, uptake } = open(100);
  uptake.hand();
  clock.now = UNTAKEN_MS_MIN - 1;
  uptake.assertTaken();
  clock.now = UNTAKEN_MS_MIN;
  assert.throws(() => uptake.assertTaken(), { code: "program_timeout" });
});

Deno.test("who is too slow for too long is told of once, and nobody is once the answer is over", () => {
  const { clock, uptake } = open(1_000);
  const due: (() => void)[] = [];
  const looks = {
    after(ms: number, callback: () => void) {
      due.push(callback);
      assert.equal(ms, 1_000);
      return () => void due.splice(due.indexOf(callback), 1);
    },
  };
  const lost: string[] = [];
  uptake.watch((why) => lost.push(`${why.code}: ${why.shortMessage}`), looks);
  const look = () => {
    clock.now += 1_000;
    due.shift()!();
  };
  for (let taken = 0; taken < 30; taken++) {
    uptake.hand(128 * 1024);
    look();
    uptake.take();
  }
  assert.deepEqual([lost, uptake.failure()], [[], null]);
  uptake.hand(1);
  for (let ms = 0; ms < TAKER_PATIENCE_MS; ms += 1_000) look();
  assert.deepEqual(lost, ["program_timeout: the caller took nothing of the answer for 64 s"]);
  assert.equal(uptake.failure()?.code, "program_timeout");
  assert.equal(due.length, 0);
  const over = open(1_000).uptake;
  over.watch(() => assert.fail("it was told of"), looks);
  over.unwatch();
  assert.equal(due.length, 0);
});

import assert from "node:assert/strict";
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

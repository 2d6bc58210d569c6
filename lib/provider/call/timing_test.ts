import assert from "node:assert/strict";
import { Fields } from "../http/fields.ts";
import { askedTiming, CallTiming } from "./timing.ts";

/** A timing whose clock stands where it is put. */
function timingAt(start: number) {
  let at = start;
  const timing = new CallTiming(() => at);
  return { timing, to: (ms: number) => void (at = ms) };
}

const said = (timing: CallTiming, wallMs: number | null) =>
  timing.fields(wallMs).find(([name]) => name === "server-timing")![1];

Deno.test("all that was waited for before a run is in one of its phases", () => {
  const { timing, to } = timingAt(100);
  to(110);
  timing.lap("fetch");
  to(111.5);
  timing.lap("queue");
  to(150);
  timing.lap("fetch", 140);
  timing.lap("start");
  to(151);
  timing.lap("queue");
  to(151.04);
  timing.lap("start");
  to(160);
  const before = "queue;dur=2.5, fetch;dur=38.5, start;dur=10.0";
  assert.equal(said(timing, 7), `${before}, run;dur=7.0`);
  assert.equal(said(timing, null), `${before}, run;dur=9.0;desc="until the answer began"`);
});

Deno.test("what was there before anybody asked took no time", () => {
  const { timing, to } = timingAt(100);
  to(101);
  timing.lap("fetch", 50);
  timing.lap("start");
  assert.equal(said(timing, 0), "queue;dur=0.0, fetch;dur=0.0, start;dur=1.0, run;dur=0.0");
});

Deno.test("who does not ask has no clock", () => {
  assert.equal(askedTiming(new Fields([["server-timing", "1"]])), null);
  assert.equal(askedTiming(new Fields([["khachapuri-timing", "0"]])), null);
  assert.ok(askedTiming(new Fields([["khachapuri-timing", "1"]])));
});

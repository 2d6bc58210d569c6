import assert from "node:assert/strict";
import { manualClock } from "../../worlds/clock.ts";
import { GATEWAY_HEDGE_MS, GATEWAY_PROGRESS_BYTES, GATEWAY_STALL_MS } from "../limits.ts";
import { race, type RaceOptions, type Racer } from "./race.ts";
import { turn } from "../../worlds/turns.ts";

/** A racer that a test steers. */
function steered(name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const state = { started: false, aborted: false, progress: (_: number) => {} };
  const run: Racer<string> = (signal, progress) => {
    Object.assign(state, { started: true, progress });
    signal.addEventListener("abort", () => state.aborted = true);
    return promise;
  };
  return { run, state, finish: () => resolve(name), fail: (error: unknown) => reject(error) };
}

function setUp(
  names: string[],
  isFinal = (_: unknown) => false,
  patience: Pick<RaceOptions, "hedgeMs" | "silentMs"> = {},
) {
  const clock = manualClock();
  const controller = new AbortController();
  const racers = names.map(steered);
  const result = race(racers.map(({ run }) => run), {
    clock,
    signal: controller.signal,
    isFinal,
    ...patience,
  });
  result.catch(() => {});
  const started = () => racers.filter(({ state }) => state.started).length;
  return { clock, controller, racers, result, started };
}

/** Lets every promise that is already settled take effect. */

Deno.test("the second gateway starts when the first has sent nothing in the hedge time", async () => {
  const { clock, racers: [slow, quick], result, started } = setUp(["slow", "quick"]);
  clock.advance(GATEWAY_HEDGE_MS - 1);
  assert.equal(started(), 1);
  clock.advance(1);
  assert.equal(started(), 2);
  assert.equal(slow!.state.aborted, false);
  quick!.finish();
  assert.deepEqual(await result, { won: true, value: "quick" });
  assert.equal(slow!.state.aborted, true);
  assert.equal(clock.pending(), 0);
});

Deno.test("a first byte in time keeps the second gateway out", async () => {
  const { clock, racers: [first], result, started } = setUp(["first", "second"]);
  first!.state.progress(1);
  clock.advance(GATEWAY_STALL_MS - 1);
  assert.equal(started(), 1);
  first!.finish();
  assert.deepEqual(await result, { won: true, value: "first" });
  assert.equal(clock.pending(), 0);
});

Deno.test("a gateway that dries up or drips is cancelled and the next one starts", async () => {
  const { clock, racers: [first, second], result, started } = setUp(["first", "second"]);
  first!.state.progress(GATEWAY_PROGRESS_BYTES);
  clock.advance(GATEWAY_STALL_MS);
  assert.equal(first!.state.aborted, false);
  first!.state.progress(GATEWAY_PROGRESS_BYTES - 1);
  clock.advance(GATEWAY_STALL_MS);
  assert.equal(first!.state.aborted, true);
  assert.equal(started(), 2);
  second!.finish();
  assert.deepEqual(await result, { won: true, value: "second" });
});

Deno.test("what a cancelled gateway does later changes nothing", async () => {
  const { clock, racers: [first, second], result } = setUp(["first", "second"]);
  first!.state.progress(1);
  clock.advance(GATEWAY_STALL_MS);
  first!.state.progress(1_000_000);
  first!.finish();
  await turn();
  second!.finish();
  assert.deepEqual(await result, { won: true, value: "second" });
  assert.equal(clock.pending(), 0);
});

Deno.test("a failure starts the next gateway at once, and all failures are reported", async () => {
  const { clock, racers, result, started } = setUp(["a", "b", "c"]);
  for (const [index, racer] of racers.entries()) {
    assert.equal(started(), index + 1);
    racer.fail(index);
    await turn();
    racer.state.progress(1);
  }
  assert.deepEqual(await result, { won: false, errors: [0, 1, 2] });
  assert.equal(clock.pending(), 0);
});

Deno.test("a gateway that failed after it was hedged does not start a third", async () => {
  const { clock, racers: [first, second], result, started } = setUp(["a", "b", "c"]);
  clock.advance(GATEWAY_HEDGE_MS);
  first!.fail("late");
  await turn();
  assert.equal(started(), 2);
  second!.finish();
  assert.deepEqual(await result, { won: true, value: "b" });
});

Deno.test("a final error ends the race for everyone", async () => {
  const { clock, racers: [first, second], result } = setUp(["a", "b", "c"], (e) => e === "final");
  clock.advance(GATEWAY_HEDGE_MS);
  second!.fail("final");
  await assert.rejects(result, (error) => error === "final");
  assert.equal(first!.state.aborted, true);
  assert.equal(clock.pending(), 0);
});

Deno.test("the race ends when it is aborted from outside, and with nobody to run", async () => {
  const { clock, controller, racers: [first], result } = setUp(["a", "b"]);
  controller.abort("enough");
  await assert.rejects(result, (error) => error === "enough");
  assert.equal(first!.state.aborted, true);
  assert.equal(clock.pending(), 0);
  assert.deepEqual(await setUp([]).result, { won: false, errors: [] });
});

Deno.test("each may be given its own time until the next one starts", async () => {
  const { clock, racers, result, started } = setUp(["a", "b", "c"], undefined, {
    hedgeMs: (racer) => [7_000, 100, 100][racer]!,
  });
  clock.advance(6_999);
  assert.equal(started(), 1);
  clock.advance(1);
  assert.equal(started(), 2);
  clock.advance(100);
  assert.equal(started(), 3);
  racers[0]!.finish();
  assert.deepEqual(await result, { won: true, value: "a" });
});

Deno.test("one that stays silent is given up in time, and one that has begun is not", async () => {
  const { clock, racers, result, started } = setUp(["a", "b"], undefined, {
    hedgeMs: () => 100,
    silentMs: 1_000,
  });
  clock.advance(100);
  racers[1]!.state.progress(1);
  clock.advance(899);
  assert.equal(racers[0]!.state.aborted, false);
  clock.advance(1);
  assert.equal(racers[0]!.state.aborted, true);
  assert.equal(started(), 2);
  clock.advance(200);
  assert.equal(racers[1]!.state.aborted, false);
  racers[1]!.finish();
  assert.deepEqual(await result, { won: true, value: "b" });
  assert.equal(clock.pending(), 0);
});

Deno.test("when all stay silent the race is lost", async () => {
  const { clock, result } = setUp(["a", "b"], undefined, { hedgeMs: () => 100, silentMs: 1_000 });
  clock.advance(1_100);
  const { won, errors } = await result as { won: false; errors: { code: string }[] };
  assert.deepEqual([won, errors.map(({ code }) => code)], [
    false,
    Array(2).fill("ipfs_unavailable"),
  ]);
  assert.equal(clock.pending(), 0);
});

/** Calls that wait for a place at a server: who pays for what comes of it. */
import assert from "node:assert/strict";
import { type CallWorld, CID, openCallWorld, PAYER } from "../../../worlds/calls.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { LIMITS } from "../../../worlds/sandbox/played_run.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { type ErrorCode, KhachapuriError } from "../../errors.ts";
import type { Sandbox } from "../../../sandbox/sandbox.ts";
import { callerLeft } from "../server/faults.ts";
import { Call } from "./call.ts";
import { sharedClock } from "./shared_timer.ts";

/** What a call waits for, and the end of it. */
function playWait(world: CallWorld, { isStarting = false } = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<Sandbox>();
  const asked = Promise.withResolvers<void>();
  const wait = Object.assign(promise, {
    giveUp() {
      reject(callerLeft());
      return isStarting;
    },
  });
  world.before.seat = () => {
    asked.resolve();
    return wait;
  };
  return { resolve, reject, asked: asked.promise };
}

const failure = (code: ErrorCode) => new KhachapuriError(code, "it did not start");

Deno.test("the credit is held before a place is asked for", async () => {
  using world = await openCallWorld();
  world.before.seat = () => assert.equal(world.holds.length, 1);
  assert.equal(await (await world.call()).text(), "hello\n");
});

Deno.test("a call that waits for a place keeps nobody else from running", async () => {
  using world = await openCallWorld({ concurrency: 1 });
  const { asked, reject } = playWait(world);
  const waiting = world.call();
  await asked;
  assert.equal(world.parts.gate.slots.busy(), 0);
  delete world.before.seat;
  assert.equal(await (await world.call()).text(), "hello\n");
  reject(failure("overloaded"));
  await assert.rejects(waiting, { code: "overloaded" });
  assert.deepEqual(world.endings().sort(), [["charged answered"], ["released overloaded"]]);
  await world.assertNothingTaken();
});

Deno.test("who finds all slots busy when its place has come pays nothing", async () => {
  // One credit a minute: what the call gives back can be had again.
  const limits = { timeoutMs: 1_000, memoryMb: 64, concurrency: 2, ownerCreditsPerMinute: 1 };
  using world = await openCallWorld({ spec: { limits }, concurrency: 1, slotWaitMs: 50 });
  const { asked, resolve } = playWait(world);
  const waiting = world.call();
  await asked;
  delete world.before.seat;
  const other = { source: "caller", payer: PAYER } as const;
  const slot = await world.parts.gate.slots.take(world.deployment, other);
  resolve({ limits: LIMITS } as Sandbox);
  await assert.rejects(waiting, { code: "overloaded" });
  slot.free();
  assert.deepEqual(world.endings(), [["released overloaded"]]);
  assert.equal(await (await world.call()).text(), "hello\n");
  await world.assertNothingTaken();
});

Deno.test("who comes back from its wait has the next slot, before any that never had one", async () => {
  using world = await openCallWorld({ concurrency: 1 });
  const { asked, resolve } = playWait(world);
  const first = world.call();
  await asked;
  delete world.before.seat;
  const other = { source: "caller", payer: PAYER } as const;
  const slot = await world.parts.gate.slots.take(world.deployment, other);
  const ended: string[] = [];
  const later = world.call().finally(() => ended.push("later"));
  await aWhile();
  resolve({ limits: LIMITS, run: () => Promise.reject(failure("sandbox_unavailable")) } as never);
  const back = first.catch(() => {}).finally(() => ended.push("first"));
  await aWhile();
  slot.free();
  await Promise.all([back, later]);
  assert.deepEqual(ended, ["first", "later"]);
  await world.assertNothingTaken();
});

Deno.test("a caller that goes while its call comes back costs nothing", async () => {
  using world = await openCallWorld({ concurrency: 1 });
  const caller = new AbortController();
  const { asked, resolve } = playWait(world);
  const call = world.call({ signal: caller.signal }).catch(() => {});
  await asked;
  const other = { source: "caller", payer: PAYER } as const;
  const slot = await world.parts.gate.slots.take(world.deployment, other);
  resolve({ limits: LIMITS } as Sandbox);
  await aWhile();
  assert.equal(world.parts.gate.slots.queued(), 1);
  caller.abort();
  await call;
  assert.equal(world.parts.gate.slots.queued(), 0);
  assert.deepEqual(world.endings(), [["released invalid_input"]]);
  slot.free();
  await world.assertNothingTaken();
});

Deno.test("where there is no run nobody looks after the pace of its body", async () => {
  using world = await openCallWorld();
  const clock = manualClock();
  const { after } = sharedClock;
  using _after = { [Symbol.dispose]: () => void (sharedClock.after = after) };
  sharedClock.after = clock.after;
  const fails: [stage: "seat" | "run", play: () => unknown][] = [
    ["seat", () => Object.assign(Promise.reject(failure("overloaded")), { giveUp: () => false })],
    ["seat", () => {
      throw failure("overloaded");
    }],
    ["run", () => {
      throw failure("overloaded");
    }],
  ];
  for (const [stage, play] of fails) {
    let cancelled = 0;
    const body = { read: () => Promise.resolve(null), cancel: () => void (cancelled += 1) };
    const request = { ...world.request({ method: "POST", body: "x" }), body };
    const target = { form: "path", cid: CID, mount: `/${CID}`, path: "/" } as const;
    const call = await Call.open(world.parts, { target, request });
    world.before[stage] = play;
    await assert.rejects(call.start(call.bill, null), { code: "overloaded" });
    delete world.before[stage];
    assert.deepEqual([cancelled, clock.pending()], [1, 0]);
    await world.assertNothingTaken();
  }
});

Deno.test("where our side fails to find a place, nobody pays", async () => {
  for (const code of ["sandbox_unavailable", "overloaded"] as const) {
    using world = await openCallWorld();
    const { reject } = playWait(world);
    reject(failure(code));
    await assert.rejects(world.call(), { code });
    assert.deepEqual(world.endings(), [[`released ${code}`]]);
    await world.assertNothingTaken();
  }
});

Deno.test("a failed start costs the call only where its owner did not pay for it", async () => {
  const cases = [[true, "released program_failed"], [false, "charged failed"], [
    null,
    "released program_failed",
  ]] as const;
  for (const [isPaid, ending] of cases) {
    using world = await openCallWorld();
    const why = failure("program_failed");
    world.parts.money.startDebits = {
      of(asked) {
        assert.equal(asked, why);
        return isPaid === null ? null : Promise.resolve(isPaid);
      },
    };
    const { reject } = playWait(world);
    reject(why);
    const call = world.call({ lane: "lane" });
    if (isPaid === false) assert.equal((await call).status, 502);
    else await assert.rejects(call, { code: "program_failed" });
    assert.deepEqual(world.endings(), [[ending]]);
    await world.assertNothingTaken();
  }
});

Deno.test("a caller that goes while it waits pays where an instance is started for it", async () => {
  for (const isStarting of [true, false]) {
    using world = await openCallWorld();
    world.isOpen = false;
    const caller = new AbortController();
    const { asked } = playWait(world, { isStarting });
    const call = world.call({ signal: caller.signal }).catch(() => {});
    await asked;
    caller.abort();
    await call;
    await aWhile();
    const ending = isStarting ? "charged aborted" : "released invalid_input";
    assert.deepEqual(world.endings(), [[ending]]);
    await world.assertNothingTaken();
  }
});

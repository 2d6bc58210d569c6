/** Calls whose runs take further credits: what is taken, kept and told. */
import assert from "node:assert/strict";
import { type CallOptions, type CallWorld, openCallWorld } from "../../../worlds/calls.ts";
import type { PlayedRun } from "../../../worlds/sandbox/played_run.ts";
import { KhachapuriError } from "../../errors.ts";

const CREDIT_MS = 400;
const LIMITS = { memoryMb: 64, concurrency: 2, ownerCreditsPerMinute: 60, timeoutMs: CREDIT_MS };
const CALLER = { lane: "lane" };

/** A world whose runs may take four credits; `taken` and `begun` resolve with the second one. */
async function openLong() {
  const world = await openCallWorld({
    limits: { timeoutMs: CREDIT_MS },
    creditsMax: 4,
    spec: { limits: { ...LIMITS, credits: 4 } },
  });
  const taken = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  world.before.extend = taken.resolve;
  world.before.begin = begun.resolve;
  return Object.assign(world, { taken: taken.promise, begun: begun.promise });
}

/** A call whose program says hello at once and ends when `end` is called. */
async function callOpen(world: CallWorld, options: CallOptions) {
  const started = Promise.withResolvers<PlayedRun>();
  world.program = (run) => {
    run.print("hello");
    started.resolve(run);
  };
  const answer = world.call(options);
  return { run: await started.promise, answer };
}

async function creditsCharged({ counters }: CallWorld): Promise<number> {
  const samples = await counters.credits.metric.read();
  return samples.reduce((sum, { value }) => sum + value, 0);
}

Deno.test("a run's credits are in its receipt, its owner's log and the figures", async () => {
  using world = await openLong();
  const { run, answer } = await callOpen(world, CALLER);
  await world.begun;
  run.exit();
  assert.equal(await (await answer).text(), "hello");
  assert.deepEqual(world.endings(), [["charged answered"]]);
  assert.equal(world.holds[0]!.facts!.credits, 2);
  assert.equal(world.records.runLog.read(world.deployment.cid).runs[0]!.credits, 2);
  assert.equal(await creditsCharged(world), 2);
  await world.assertNothingTaken();
});

Deno.test("callers are told how many were taken by then, where there may be several", async () => {
  using world = await openLong();
  const told = async (options: CallOptions) => {
    const { run, answer } = await callOpen(world, options);
    const { headers } = await answer;
    run.exit();
    return headers.get("khachapuri-credits");
  };
  assert.equal(await told(CALLER), "1");
  assert.equal(await told({}), null, "an owner's money is nobody else's business");
  using plain = await openCallWorld();
  assert.equal((await plain.call(CALLER)).headers.get("khachapuri-credits"), null);
});

Deno.test("a run that ends in its first credit's time gives the next one back", async () => {
  using world = await openLong();
  const { run, answer } = await callOpen(world, {});
  await world.taken;
  run.exit();
  await (await answer).text();
  assert.equal(world.holds[0]!.further.includes("begun"), false);
  assert.equal(await creditsCharged(world), 1);
});

Deno.test("what a run used up stays charged when our side fails", async () => {
  using world = await openLong();
  const { run, answer } = await callOpen(world, CALLER);
  await world.begun;
  run.fail(new KhachapuriError("sandbox_unavailable", "it is gone"));
  await assert.rejects((await answer).text());
  assert.deepEqual(world.endings(), [["released sandbox_unavailable"]]);
  assert.equal(await creditsCharged(world), 1);
});

Deno.test("a caller that hangs up ends the run, and the credit taken ahead is given back", async () => {
  using world = await openLong();
  const caller = new AbortController();
  const { run, answer } = await callOpen(world, { ...CALLER, signal: caller.signal });
  await world.taken;
  const response = await answer;
  caller.abort();
  await response.body?.cancel();
  await run.killed;
  await run.live.record;
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  assert.deepEqual(world.holds[0]!.further, ["taken", "given back"]);
});

Deno.test("a deployment that was stopped gets no further credit", async () => {
  using world = await openLong();
  world.program = (run) => {
    world.records.stops.add(world.deployment.spec);
    // Init ends it when its time is over.
    setTimeout(() => run.meet("timeout"), CREDIT_MS);
  };
  const answer = await world.call(CALLER);
  assert.equal(answer.status, 504);
  const { message } = await answer.json();
  assert.match(message, /no further credit was to be had: the owner has stopped this deployment/);
  assert.deepEqual(world.holds[0]!.further, []);
  const [run] = world.records.runLog.read(world.deployment.cid).runs;
  assert.match(run!.reason!, /no further credit was to be had: the owner has stopped/);
  assert.equal(run!.reason!.match(/no further credit/g)!.length, 1, "said once");
});

const KEYED = { method: "POST", body: "data", lane: "lane", key: "key" };

Deno.test("an answer that took more than one credit is not kept under its key", async () => {
  using world = await openLong();
  const { run, answer } = await callOpen(world, KEYED);
  await world.begun;
  run.exit();
  assert.equal(await (await answer).text(), "hello");
  await assert.rejects(world.call(KEYED), {
    code: "idempotency_conflict",
    message: /not kept: it took 2 credits/,
  });
  await world.assertNothingTaken();
});

Deno.test("a caller with a key that goes away is kept one credit's answer, and no more is taken", async () => {
  using world = await openLong();
  const caller = new AbortController();
  const { run, answer } = await callOpen(world, { ...KEYED, signal: caller.signal });
  const gone = (await answer).body!.cancel();
  caller.abort();
  run.exit();
  await gone;
  assert.deepEqual(world.holds[0]!.further, []);
  assert.equal(await (await world.call(KEYED)).text(), "hello");
});

Deno.test("a caller with a key that goes away when its next credit is taken gets one credit's answer", async () => {
  using world = await openLong();
  const caller = new AbortController();
  const { run, answer } = await callOpen(world, { ...KEYED, signal: caller.signal });
  await world.taken;
  const gone = (await answer).body!.cancel();
  caller.abort();
  run.exit();
  await gone;
  assert.deepEqual(world.holds[0]!.further, ["taken", "given back"]);
  assert.equal(await (await world.call(KEYED)).text(), "hello");
});

Deno.test("a caller with a key that goes away once a second credit is taken ends its run", async () => {
  using world = await openLong();
  const caller = new AbortController();
  const { run, answer } = await callOpen(world, { ...KEYED, signal: caller.signal });
  await world.begun;
  const response = await answer;
  caller.abort();
  await response.body!.cancel();
  await run.killed;
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  await assert.rejects(world.call(KEYED), { code: "idempotency_conflict" });
});

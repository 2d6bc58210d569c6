import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import type { Bill } from "../money/scheme.ts";
import { SLOT_WAIT_MS } from "../../limits_of_slots.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { SlotUsage } from "../metrics/slot_usage.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { Slots, type SlotsOptions } from "./slots.ts";
import type { Slot } from "./taken_slot.ts";
import type { Waiting } from "./waiting_room.ts";

async function deploymentWith(limits: Record<string, number>): Promise<Deployment> {
  const spec = await sampleSpec({
    fields: {
      limits: {
        timeoutMs: 1_000,
        memoryMb: 64,
        concurrency: 2,
        ownerCreditsPerMinute: 3,
        ...limits,
      },
    },
  });
  return { cid: "bafytest" as CidText, spec, entry: spec.providers[0]! };
}

const CREDIT_MS = 1_000;

const PAYER = `0x${"aa".repeat(20)}` as const;

const bill = (source: Bill["source"], payer: Bill["payer"] = PAYER) => ({ source, payer });

/** A slot that is free at once. */
function taken(slots: Slots, deployment: Deployment, source: Bill["source"]): Slot {
  const slot = slots.take(deployment, bill(source));
  assert.ok(!(slot instanceof Promise), "there is none at once");
  return slot;
}

/** A slot that is waited for. */
function waited(slots: Slots, deployment: Deployment, source: Bill["source"]): Waiting<Slot> {
  const slot = slots.take(deployment, bill(source));
  assert.ok(slot instanceof Promise, "it was free at once");
  // Whoever asks for it is told.
  slot.catch(() => {});
  return slot;
}

/** On a clock that stands still. */
function openSlots(count: number, options: SlotsOptions = {}) {
  const clock = manualClock();
  return { clock, slots: new Slots(count, { now: () => 0, clock, ...options }) };
}

function refusal(work: () => unknown): KhachapuriError {
  try {
    work();
  } catch (error) {
    if (error instanceof KhachapuriError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

Deno.test("who steps aside leaves its slot to others, and is not counted twice", async () => {
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 1 });
  const { slots } = openSlots(1);
  const slot = taken(slots, deployment, "owner");
  slot.stepAside();
  assert.deepEqual([slots.busy(), slots.waiting()], [0, 1]);
  const other = taken(slots, deployment, "caller");
  const later = waited(slots, deployment, "caller");
  const back = slot.comeBack();
  assert.deepEqual([slots.waiting(), slots.queued()], [0, 2]);
  assert.equal(slots.calls(), 3);
  other.free();
  // It was here before, and others wait for what it came back with.
  await back;
  assert.equal(slots.queued(), 1);
  slot.stepAside();
  (await later).free();
  assert.equal(slot.comeBack(), null);
  slot.stepAside();
  slot.undo();
  slot.undo();
  assert.deepEqual([slots.busy(), slots.waiting()], [0, 0]);
  const giveBack = slots.debit(deployment);
  assert.throws(() => slots.debit(deployment), { code: "rate_limited" });
  giveBack();
  taken(slots, deployment, "owner").free();
});

Deno.test("who comes back to no slot is refused in time, or goes, and costs its owner nothing", async () => {
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 1 });
  for (const isGone of [true, false]) {
    const { clock, slots } = openSlots(1);
    const slot = taken(slots, deployment, "owner");
    slot.stepAside();
    taken(slots, deployment, "caller");
    const back = slot.comeBack()!;
    if (isGone) back.giveUp();
    else clock.advance(SLOT_WAIT_MS);
    await assert.rejects(back, { code: isGone ? "invalid_input" : "overloaded" });
    slot.undo();
    assert.deepEqual([slots.busy(), slots.waiting(), slots.queued()], [1, 0, 0]);
    slots.debit(deployment);
  }
});

Deno.test("a deployment runs at most its own number of calls at a time, and others wait", async () => {
  const { clock, slots } = openSlots(10);
  const deployment = await deploymentWith({ concurrency: 2 });
  const first = taken(slots, deployment, "caller");
  taken(slots, deployment, "caller");
  const third = waited(slots, deployment, "caller");
  const fourth = waited(slots, deployment, "caller");
  assert.equal(slots.queued(), 2);
  first.free();
  await third;
  clock.advance(SLOT_WAIT_MS);
  await assert.rejects(fourth, { code: "rate_limited", retryAfterSeconds: 1 });
  assert.deepEqual([slots.busy(), slots.queued()], [2, 0]);
  assert.equal(clock.pending(), 0);
});

Deno.test("a provider's slots are shared by all deployments, and a wait for one ends", async () => {
  const { clock, slots } = openSlots(1);
  const slot = taken(slots, await deploymentWith({}), "caller");
  const other = await deploymentWith({});
  const refused = waited(slots, other, "caller");
  clock.advance(SLOT_WAIT_MS);
  const { code, shortMessage } = await refused.catch((error) => error);
  assert.equal(code, "overloaded");
  assert.match(shortMessage, /none ended in time/);
  const served = waited(slots, other, "caller");
  slot.free();
  slot.free();
  (await served).free();
  assert.equal(slots.busy(), 0);
  taken(slots, other, "caller");
});

Deno.test("whose caller goes while it waits has cost nothing and is gone at once", async () => {
  const left: string[] = [];
  const usage = new SlotUsage();
  usage.left = () => void left.push("left");
  const { clock, slots } = openSlots(1, { usage });
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 2 });
  const running = taken(slots, deployment, "owner");
  const wait = waited(slots, deployment, "owner");
  wait.giveUp();
  wait.giveUp();
  await assert.rejects(wait, { code: "invalid_input" });
  assert.deepEqual([slots.queued(), clock.pending()], [0, 0]);
  assert.deepEqual(left, ["left"]);
  running.free();
  assert.equal(slots.busy(), 0);
  taken(slots, deployment, "owner");
});

Deno.test("where it would wait for too long a call is refused before anything is done for it", async () => {
  const { clock, slots } = openSlots(4);
  const deployment = await deploymentWith({ concurrency: 1 });
  const first = taken(slots, deployment, "caller");
  clock.advance(20_000);
  first.free();
  taken(slots, deployment, "caller");
  clock.advance(2_000);
  const told = (source: "owner" | "caller") => {
    const { code, retryAfterSeconds } = refusal(() => slots.assertRoom(deployment, bill(source)));
    assert.equal(code, "rate_limited");
    return retryAfterSeconds;
  };
  // Whoever is told next comes behind the one that was told before, where the same pays.
  assert.deepEqual([told("owner"), told("owner")], [18, 38]);
  // Of a payer that may not be one nothing is noted.
  assert.deepEqual([told("caller"), told("caller")], [18, 18]);
  const next = refusal(() => slots.take(deployment, bill("caller")));
  assert.equal(next.retryAfterSeconds, 18);
  assert.equal(told("caller"), 38);
  slots.assertRoom(await deploymentWith({}), bill("caller"));
});

Deno.test("owners that nobody paid a call for share as if they were one", async () => {
  const { slots } = openSlots(8, { isPaying: () => false });
  for (let each = 0; each < 7; each++) taken(slots, await deploymentWith({}), "caller");
  waited(slots, await deploymentWith({}), "caller");
  const known = await deploymentWith({});
  const { slots: mixed } = openSlots(8, { isPaying: (owner) => owner === known.spec.owner });
  for (let each = 0; each < 7; each++) taken(mixed, await deploymentWith({}), "caller");
  taken(mixed, known, "caller");
});

Deno.test("a run's further credits count against its owner's rate, and a caller's against none", async () => {
  const { slots } = openSlots(10);
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 3 });
  const slot = taken(slots, deployment, "owner");
  slot.extend(CREDIT_MS);
  slot.extend(CREDIT_MS);
  assert.equal(refusal(() => slot.extend(CREDIT_MS)).code, "rate_limited");
  assert.equal(refusal(() => slots.take(deployment, bill("owner"))).code, "rate_limited");
  slot.giveBack();
  slot.extend(CREDIT_MS);
  const callers = taken(slots, deployment, "caller");
  for (let credit = 0; credit < 10; credit++) callers.extend(CREDIT_MS);
  callers.giveBack();
  assert.equal(refusal(() => slot.extend(CREDIT_MS)).code, "rate_limited");
});

Deno.test("a provider that shuts down gives no run a further credit, and nobody waits", async () => {
  const { slots } = openSlots(1);
  const slot = taken(slots, await deploymentWith({}), "caller");
  slot.extend(CREDIT_MS);
  const wait = waited(slots, await deploymentWith({}), "caller");
  slots.close();
  await assert.rejects(wait, { code: "overloaded", shortMessage: /shutting down/ });
  await assert.rejects(waited(slots, await deploymentWith({}), "caller"), /shutting down/);
  assert.equal(refusal(() => slot.extend(CREDIT_MS)).code, "overloaded");
});

Deno.test("an owner's rate refills evenly, and callers who pay do not count", async () => {
  let now = 0;
  const slots = new Slots(100, { now: () => now });
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 3, concurrency: 64 });
  const take = (source: Bill["source"]) => taken(slots, deployment, source).free();
  for (let i = 0; i < 3; i++) take("owner");
  const { code, retryAfterSeconds } = refusal(() => take("owner"));
  assert.deepEqual([code, retryAfterSeconds], ["rate_limited", 20]);
  for (let i = 0; i < 10; i++) take("caller");
  now = 19_999;
  refusal(() => take("owner"));
  now = 20_001;
  take("owner");
  refusal(() => take("owner"));
});

Deno.test("a call that cost nothing does not count against the owner's rate", async () => {
  const { slots } = openSlots(100);
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 1 });
  for (let i = 0; i < 5; i++) taken(slots, deployment, "owner").undo();
  const slot = taken(slots, deployment, "owner");
  slot.free();
  // Ended already: there is nothing left to undo.
  slot.undo();
  assert.equal(refusal(() => slots.take(deployment, bill("owner"))).code, "rate_limited");
});

/** A provider of two slots, of which one deployment has both and another waits for one. */
async function openFull(source: Bill["source"]) {
  const { clock, slots } = openSlots(2);
  const greedy = await deploymentWith({ ownerCreditsPerMinute: 60 });
  const other = await deploymentWith({ ownerCreditsPerMinute: 61 });
  const runs = [1, 2].map(() => taken(slots, greedy, source)) as [Slot, Slot];
  for (const run of runs) run.extend(CREDIT_MS);
  const wait = waited(slots, other, "caller");
  return { clock, slots, runs, other, wait };
}

Deno.test("one run of a deployment that has more than its share leaves its slot to another", async () => {
  const { runs: [first, second], wait } = await openFull("owner");
  const { code, shortMessage } = refusal(() => first.extend(CREDIT_MS));
  assert.equal(code, "overloaded");
  assert.match(shortMessage, /more than its share/);
  second.extend(CREDIT_MS);
  first.free();
  await wait;
  second.extend(CREDIT_MS);
});

Deno.test("a call that was refused long ago makes no run leave", async () => {
  const { clock, runs: [first], wait } = await openFull("owner");
  clock.advance(SLOT_WAIT_MS);
  await assert.rejects(wait, { code: "overloaded" });
  clock.advance(CREDIT_MS + 1);
  first.extend(CREDIT_MS);
});

Deno.test("a call that was refused of late makes a run leave", async () => {
  const { clock, runs: [first], wait } = await openFull("owner");
  clock.advance(SLOT_WAIT_MS);
  await assert.rejects(wait, { code: "overloaded" });
  clock.advance(CREDIT_MS - 1);
  refusal(() => first.extend(CREDIT_MS));
});

Deno.test("no run leaves for a call that has not shown that it can pay", async () => {
  const { clock, slots, runs: [first], wait } = await openFull("owner");
  clock.advance(SLOT_WAIT_MS);
  await assert.rejects(wait, { code: "overloaded" });
  clock.advance(20_000);
  const another = await deploymentWith({});
  // It may go on to where it is asked for its money,
  for (let time = 0; time < 3; time++) slots.assertRoom(another, bill("owner"));
  first.extend(CREDIT_MS);
  // and once it has shown it, it finds no slot, and none before its money is asked for.
  assert.equal(refusal(() => slots.take(another, bill("owner"))).code, "overloaded");
  assert.match(refusal(() => first.extend(CREDIT_MS)).shortMessage, /more than its share/);
  assert.equal(refusal(() => slots.assertRoom(another, bill("owner"))).code, "overloaded");
});

Deno.test("a run that its caller pays for leaves for nobody", async () => {
  const { runs: [first] } = await openFull("caller");
  first.extend(CREDIT_MS);
});

Deno.test("a run that goes on without its slot leaves for nobody, and still costs its owner", async () => {
  const { slots, runs: [first, second], wait } = await openFull("owner");
  first.free();
  second.free();
  await wait;
  assert.equal(slots.busy(), 1);
  const others = [await deploymentWith({}), await deploymentWith({ memoryMb: 65 })];
  taken(slots, others[0]!, "caller");
  waited(slots, others[1]!, "caller");
  for (let credit = 4; credit < 60; credit++) first.extend(CREDIT_MS);
  assert.equal(refusal(() => first.extend(CREDIT_MS)).code, "rate_limited");
});

/** A provider of 64 slots, of which two owners have all that they may, and a third has six. */
async function openShared() {
  const { clock, slots } = openSlots(64);
  const deployments = [61, 62, 63].map((perMinute) =>
    deploymentWith({ concurrency: 64, ownerCreditsPerMinute: perMinute })
  );
  const [most, much, little] = await Promise.all(deployments);
  const runs = { most: [] as Slot[], much: [] as Slot[], little: [] as Slot[] };
  for (let each = 0; each < 28; each++) {
    runs.most.push(taken(slots, most!, "owner"));
    runs.much.push(taken(slots, much!, "owner"));
  }
  runs.most.push(taken(slots, most!, "owner"));
  for (let each = 0; each < 6; each++) runs.little.push(taken(slots, little!, "owner"));
  const wait = waited(slots, little!, "owner");
  assert.deepEqual([slots.busy(), slots.queued()], [63, 1]);
  return { clock, slots, runs, wait };
}

Deno.test("a slot that is left free for others than who waits keeps nobody from leaving", async () => {
  const { runs: { most: [first, second], much, little }, wait } = await openShared();
  little[0]!.extend(CREDIT_MS);
  const { code, shortMessage } = refusal(() => first!.extend(CREDIT_MS));
  assert.equal(code, "overloaded");
  assert.match(shortMessage, /more than its share/);
  // One at a time.
  second!.extend(CREDIT_MS);
  much[0]!.extend(CREDIT_MS);
  first!.free();
  await wait;
  second!.extend(CREDIT_MS);
});

Deno.test("a call that was refused of late, and would find a slot by now, makes no run leave", async () => {
  const { clock, runs: { most: [first, second] }, wait } = await openShared();
  clock.advance(SLOT_WAIT_MS);
  await assert.rejects(wait, { code: "overloaded" });
  refusal(() => first!.extend(CREDIT_MS));
  first!.free();
  second!.extend(CREDIT_MS);
});

import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import type { Bill } from "../money/scheme.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { type Slot, Slots } from "./slots.ts";

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

const bill = (source: Bill["source"]) => ({ source }) as Bill;

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
  const slots = new Slots(1, () => 0);
  const slot = slots.take(deployment, { source: "owner" });
  slot.stepAside();
  assert.equal(slots.busy(), 0);
  const other = slots.take(deployment, { source: "caller" });
  assert.throws(() => slot.comeBack(), { code: "overloaded" });
  other.free();
  slot.comeBack();
  assert.equal(slots.busy(), 1);
  slot.stepAside();
  slot.undo();
  slot.undo();
  const giveBack = slots.debit(deployment);
  assert.throws(() => slots.debit(deployment), { code: "rate_limited" });
  giveBack();
  slots.take(deployment, { source: "owner" }).free();
});

Deno.test("a deployment runs at most its own number of calls at a time", async () => {
  const slots = new Slots(10);
  const deployment = await deploymentWith({ concurrency: 2 });
  const first = slots.take(deployment, bill("caller"));
  slots.take(deployment, bill("caller"));
  const { code, retryAfterSeconds } = refusal(() => slots.take(deployment, bill("caller")));
  assert.equal(code, "rate_limited");
  assert.equal(retryAfterSeconds, 1);
  first.free();
  slots.take(deployment, bill("caller"));
  assert.equal(slots.busy(), 2);
});

Deno.test("a provider's slots are shared by all deployments", async () => {
  const slots = new Slots(1);
  const slot = slots.take(await deploymentWith({}), bill("caller"));
  const other = await deploymentWith({});
  assert.equal(refusal(() => slots.take(other, bill("caller"))).code, "overloaded");
  slot.free();
  slot.free();
  assert.equal(slots.busy(), 0);
  slots.take(other, bill("caller"));
});

Deno.test("a run's further credits count against its owner's rate, and a caller's against none", async () => {
  const slots = new Slots(10, () => 0);
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 3 });
  const slot = slots.take(deployment, bill("owner"));
  slot.extend(CREDIT_MS);
  slot.extend(CREDIT_MS);
  assert.equal(refusal(() => slot.extend(CREDIT_MS)).code, "rate_limited");
  assert.equal(refusal(() => slots.take(deployment, bill("owner"))).code, "rate_limited");
  slot.giveBack();
  slot.extend(CREDIT_MS);
  const callers = slots.take(deployment, bill("caller"));
  for (let credit = 0; credit < 10; credit++) callers.extend(CREDIT_MS);
  callers.giveBack();
  assert.equal(refusal(() => slot.extend(CREDIT_MS)).code, "rate_limited");
});

Deno.test("a provider that shuts down gives no run a further credit", async () => {
  const slots = new Slots(10);
  const slot = slots.take(await deploymentWith({}), bill("caller"));
  slot.extend(CREDIT_MS);
  slots.close();
  assert.equal(refusal(() => slot.extend(CREDIT_MS)).code, "overloaded");
});

Deno.test("an owner's rate refills evenly, and callers who pay do not count", async () => {
  let now = 0;
  const slots = new Slots(100, () => now);
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 3, concurrency: 64 });
  const take = (source: Bill["source"]) => slots.take(deployment, bill(source)).free();
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
  const slots = new Slots(100, () => 0);
  const deployment = await deploymentWith({ ownerCreditsPerMinute: 1 });
  for (let i = 0; i < 5; i++) slots.take(deployment, bill("owner")).undo();
  const slot = slots.take(deployment, bill("owner"));
  slot.free();
  // Ended already: there is nothing left to undo.
  slot.undo();
  assert.equal(refusal(() => slots.take(deployment, bill("owner"))).code, "rate_limited");
});

/** A provider of two slots, of which one deployment has both and another was refused one. */
async function openFull(source: Bill["source"]) {
  const clock = { now: 10_000 };
  const slots = new Slots(2, () => clock.now);
  const greedy = await deploymentWith({ ownerCreditsPerMinute: 60 });
  const other = await deploymentWith({ ownerCreditsPerMinute: 61 });
  const runs = [1, 2].map(() => slots.take(greedy, bill(source))) as [Slot, Slot];
  for (const run of runs) run.extend(CREDIT_MS);
  refusal(() => slots.take(other, bill("caller")));
  return { clock, slots, runs, other };
}

Deno.test("one run of a deployment that has more than its share leaves its slot to another", async () => {
  const { slots, runs: [first, second], other } = await openFull("owner");
  const { code, shortMessage } = refusal(() => first.extend(CREDIT_MS));
  assert.equal(code, "overloaded");
  assert.match(shortMessage, /more than its share/);
  second.extend(CREDIT_MS);
  first.free();
  slots.take(other, bill("caller"));
  second.extend(CREDIT_MS);
});

Deno.test("a call that was refused long ago makes no run leave", async () => {
  const { clock, runs: [first] } = await openFull("owner");
  clock.now += CREDIT_MS + 1;
  first.extend(CREDIT_MS);
});

Deno.test("a run that its caller pays for leaves for nobody", async () => {
  const { runs: [first] } = await openFull("caller");
  first.extend(CREDIT_MS);
});

Deno.test("a run that goes on without its slot leaves for nobody, and still costs its owner", async () => {
  const { slots, runs: [first, second] } = await openFull("owner");
  first.free();
  second.free();
  assert.equal(slots.busy(), 0);
  const others = [await deploymentWith({}), await deploymentWith({ memoryMb: 65 })];
  for (const each of others) slots.take(each, bill("caller"));
  refusal(() => slots.take(others[0]!, bill("caller")));
  for (let credit = 4; credit < 60; credit++) first.extend(CREDIT_MS);
  assert.equal(refusal(() => first.extend(CREDIT_MS)).code, "rate_limited");
});

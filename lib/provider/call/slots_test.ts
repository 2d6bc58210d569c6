import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import type { Bill } from "../money/scheme.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { Slots } from "./slots.ts";

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

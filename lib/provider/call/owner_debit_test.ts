import assert from "node:assert/strict";
import { type CallWorld, openCallWorld } from "../../../worlds/calls.ts";
import { type ErrorCode, KhachapuriError } from "../../errors.ts";
import type { ServerEvent } from "../server/life.ts";
import { OwnerDebits } from "./owner_debit.ts";

function failed(code: ErrorCode = "program_failed"): ServerEvent {
  const why = new KhachapuriError(code, "it did not listen");
  return { kind: "failed", instance: 1, why, toOwner: why, record: null };
}

const ended = (why: Extract<ServerEvent, { kind: "ended" }>["why"]): ServerEvent => ({
  kind: "ended",
  instance: 1,
  why,
  record: null,
});

/** What the events cost the owner: how each credit ended. */
async function cost(world: CallWorld, ...events: ServerEvent[]): Promise<string[][]> {
  const debits = new OwnerDebits({ ...world.parts, slots: world.parts.gate.slots });
  for (const event of events) debits.note(world.deployment, event);
  await debits.settled();
  return world.endings();
}

Deno.test("a start that fails costs the owner a credit, and so does work while standing still", async () => {
  for (const event of [failed(), failed("program_limit"), ended("escaped")]) {
    using world = await openCallWorld();
    assert.deepEqual(await cost(world, event), [["charged failed"]]);
    assert.equal(world.counters.credits.at({ paid_by: "owner" }).value, 1);
    assert.equal(world.counters.runs.at({ paid_by: "owner", outcome: "failed" }).value, 1);
    assert.ok(world.records.registrations.isOwner(world.deployment.spec.owner));
    await world.assertNothingTaken();
  }
});

Deno.test("each failed start is a credit of its own", async () => {
  using world = await openCallWorld();
  assert.deepEqual(await cost(world, failed(), failed()), [["charged failed"], ["charged failed"]]);
});

Deno.test("nothing else that a server does costs anything, nor what our side fails at", async () => {
  using world = await openCallWorld();
  const free: ServerEvent[] = [
    failed("sandbox_unavailable"),
    failed("overloaded"),
    ended("idle"),
    ended("drained"),
    ended("timeout"),
    ended("crashed"),
    { kind: "started", instance: 1, readyMs: 5 },
    { kind: "output", instance: 1, bytes: new Uint8Array(1) },
  ];
  assert.deepEqual(await cost(world, ...free), []);
});

Deno.test("a failed start beyond what strangers may cost the owner is not charged to it", async () => {
  const limits = { timeoutMs: 1_000, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 1 };
  using world = await openCallWorld({ spec: { limits } });
  const debits = new OwnerDebits({ ...world.parts, slots: world.parts.gate.slots });
  const events = [failed(), failed()];
  for (const event of events) debits.note(world.deployment, event);
  const paid = events.map((event) => event.kind === "failed" && debits.of(event.why));
  assert.deepEqual(await Promise.all(paid), [true, false]);
  assert.deepEqual(world.endings(), [["charged failed"]]);
  assert.equal(debits.of(new KhachapuriError("program_failed", "another")), null);
});

Deno.test("callers who pay themselves do not pay for it", async () => {
  using world = await openCallWorld({ spec: { access: "payer" } });
  assert.deepEqual(await cost(world, failed()), [["charged failed"]]);
  assert.equal(world.counters.credits.at({ paid_by: "caller" }).value, 0);
});

Deno.test("an owner that cannot pay is left alone, and nothing of it is counted", async () => {
  for (const stage of ["admit", "hold"] as const) {
    using world = await openCallWorld();
    world.before[stage] = () => {
      throw new KhachapuriError("payment_required", "nothing is left");
    };
    assert.deepEqual(await cost(world, failed()), []);
    assert.equal(world.counters.credits.at({ paid_by: "owner" }).value, 0);
    assert.ok(!world.records.registrations.isOwner(world.deployment.spec.owner));
  }
});

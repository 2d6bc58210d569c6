/** How an answer goes out: in one piece or as it comes, charged before its end, or cut off. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { openCallWorld } from "../../../worlds/calls.ts";
import { aWhile } from "../../../worlds/turns.ts";
import type { PlayedRun } from "../../../worlds/sandbox/played_run.ts";
import { KhachapuriError } from "../../errors.ts";

const LANE = "lane";
const sha256 = (data: string) => `0x${createHash("sha256").update(data).digest("hex")}`;

Deno.test("a short answer waits for its charge, however long that takes, and is one piece", async () => {
  using world = await openCallWorld();
  const charging = Promise.withResolvers<void>();
  const charge = Promise.withResolvers<void>();
  world.before.charge = () => {
    charging.resolve();
    return charge.promise;
  };
  let isAnswered = false;
  const call = world.call().finally(() => isAnswered = true);
  await charging.promise;
  await aWhile();
  assert.ok(!isAnswered, "answered before it was charged");
  charge.resolve();
  const reader = (await call).body!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "hello\n");
  assert.equal((await reader.read()).done, true);
  assert.deepEqual(world.endings(), [["charged answered"]]);
});

Deno.test("a long answer streams, and its end is told once it is charged", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("first");
  const started = world.nextRun();
  const call = world.call();
  const run = await started;
  const reader = (await call).body!.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "first");
  assert.deepEqual(world.endings(), [[]]);
  assert.equal(world.parts.gate.slots.busy(), 1);
  world.before.charge = () => aWhile();
  const end = reader.read().then(({ done }) => {
    assert.deepEqual(world.endings(), [["charged answered"]]);
    return done;
  });
  run.exit();
  assert.equal(await end, true);
  await world.assertNothingTaken();
});

Deno.test("an answer goes out while its caller still sends, and ends once that has come", async () => {
  using world = await openCallWorld();
  const rest = Promise.withResolvers<void>();
  async function* question() {
    yield new TextEncoder().encode("quest");
    await rest.promise;
    yield new TextEncoder().encode("ion");
  }
  const body = ReadableStream.from(question());
  const response = await world.call({ method: "POST", body, lane: LANE });
  assert.deepEqual(world.endings(), [[]]);
  rest.resolve();
  assert.equal(await response.text(), "hello\n");
  assert.equal(world.holds[0]!.facts!.requestHash, sha256("question"));
});

Deno.test("an answer that a limit cuts off fails at its reader, and is charged", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("half");
  const started = world.nextRun();
  const reader = (await world.call()).body!.getReader();
  await reader.read();
  const rest = assert.rejects(reader.read(), { code: "program_timeout" });
  (await started).meet("timeout");
  await rest;
  assert.deepEqual(world.endings(), [["charged timeout"]]);
  await world.assertNothingTaken();
});

Deno.test("an answer that we cut off fails at its reader, and is not charged", async () => {
  using world = await openCallWorld();
  world.isClosed = true;
  world.program = (run) => run.print("half");
  const ends: [(run: PlayedRun) => void, string, string][] = [
    [(run) => run.meet("aborted"), "program_limit", "released shutdown"],
    [
      (run) => run.fail(new KhachapuriError("sandbox_unavailable", "gone")),
      "sandbox_unavailable",
      "released sandbox_unavailable",
    ],
  ];
  for (const [end, code, ending] of ends) {
    const started = world.nextRun();
    const reader = (await world.call()).body!.getReader();
    await reader.read();
    const rest = assert.rejects(reader.read(), { code });
    end(await started);
    await rest;
    assert.deepEqual(world.endings().at(-1), [ending]);
  }
  await world.assertNothingTaken();
});

Deno.test("an answer whose charge cannot be written is never told to be whole", async () => {
  using world = await openCallWorld();
  world.before.charge = () => {
    throw new KhachapuriError("overloaded", "the ledger cannot be written");
  };
  await assert.rejects(world.call(), { code: "overloaded" });
  world.program = (run) => run.print("half");
  const started = world.nextRun();
  const reader = (await world.call()).body!.getReader();
  await reader.read();
  (await started).exit();
  await assert.rejects(reader.read(), { code: "overloaded" });
  assert.equal(world.parts.gate.slots.busy(), 0);
});

Deno.test("a caller that goes away while its answer streams ends the run, and pays", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("half");
  const started = world.nextRun();
  const { body } = await world.call({ lane: LANE });
  await body!.cancel();
  await (await started).killed;
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  await world.assertNothingTaken();
});

Deno.test("a caller that goes away before the first byte ends the run, and pays", async () => {
  using world = await openCallWorld();
  world.isOpen = false;
  world.program = () => {};
  const caller = new AbortController();
  const started = world.nextRun();
  const call = world.call({ signal: caller.signal });
  await started;
  caller.abort();
  await call;
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  await world.assertNothingTaken();
});

Deno.test("a caller that reads no more holds no slot once its program has ended", async () => {
  using world = await openCallWorld();
  world.program = async (run) => {
    run.print("half");
    await aWhile();
    run.print(" rest");
    run.exit();
  };
  const started = world.nextRun();
  const reader = (await world.call()).body!.getReader();
  await reader.read();
  await (await started).live.record;
  // As its connection is cut off.
  await reader.cancel();
  assert.equal(world.parts.gate.slots.busy(), 0);
  assert.deepEqual(world.endings(), [["charged answered"]]);
});

Deno.test("a short answer that a limit cuts off is a failure, and charged", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("half");
  const started = world.nextRun();
  // Once its first byte was read, and before anything has gone out.
  world.before.notice = async () => (await started).meet("memory");
  await assert.rejects(world.call(), { code: "program_limit" });
  assert.deepEqual(world.endings(), [["charged limit"]]);
  await world.assertNothingTaken();
});

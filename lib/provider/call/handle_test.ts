import assert from "node:assert/strict";
import {
  type CallOptions,
  type CallWorld,
  CID,
  openCallWorld,
  REQUEST_BYTES,
} from "../../../worlds/calls.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { KhachapuriError } from "../../errors.ts";
import type { PlayedRun } from "../../../worlds/sandbox/played_run.ts";
import {
  BUFFERED_BODY_BYTES_MAX,
  IDEMPOTENCY_ANSWER_BYTES_MAX,
  KEY_REPLAYS_BURST_MAX,
  PAYER_BODIES_PART,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_TARGET_BYTES_MAX,
  WHOLE_BODY_BYTES_MAX,
} from "../../limits.ts";
import { handleCall } from "./handle.ts";

const KEYED = { method: "POST", body: "data", lane: "lane", key: "key" };

/** A world whose programs number their answers. */
async function openCounting(): Promise<CallWorld> {
  const world = await openCallWorld();
  let runs = 0;
  world.program = async (run) => {
    run.print(`run ${runs += 1}: `);
    run.print(await run.stdin);
    run.exit();
  };
  return world;
}

const refused = (why: string) => () => {
  throw new KhachapuriError("payment_required", why);
};

/** Whether the answer is one that was given before. */
const isReplayed = ({ headers }: Response) => headers.get("idempotency-replayed") === "true";

Deno.test("what is too large is refused before anything is looked up", async () => {
  using world = await openCallWorld();
  world.before.deployment = () => assert.fail("it was looked up");
  const large = (bytes: number) => "x".repeat(bytes);
  const cases: [CallOptions, string][] = [
    [{ headers: { "x-a": large(REQUEST_HEADER_BYTES_MAX) } }, "headers_too_large"],
    [{ path: `/${large(REQUEST_TARGET_BYTES_MAX)}` }, "headers_too_large"],
    [{ headers: { "content-length": String(REQUEST_BYTES + 1) } }, "body_too_large"],
  ];
  for (const [options, code] of cases) await assert.rejects(world.call(options), { code });
  assert.deepEqual(world.holds, []);
  await world.assertNothingTaken();
});

Deno.test("what becomes a WebSocket is not kept under a key, and is refused for free", async () => {
  using world = await openCallWorld({ spec: { interface: "http" } });
  const { method, lane, key } = { ...KEYED, method: "GET" };
  const request = { ...world.request({ method, lane, key }), upgrade: "websocket" as const };
  const target = { form: "path", cid: CID, mount: `/${CID}`, path: "/" } as const;
  await assert.rejects(handleCall(world.parts, target, request), { code: "invalid_input" });
  assert.deepEqual(world.holds, []);
  await world.assertNothingTaken();
});

Deno.test("what is just small enough is served", async () => {
  using world = await openCallWorld();
  // A field counts with its name, ": " and the end of its line.
  const host = "host".length + "provider.test".length + 4;
  const value = "x".repeat(REQUEST_HEADER_BYTES_MAX - host - "x-a".length - 4);
  assert.equal((await world.call({ headers: { "x-a": value } })).status, 200);
  const more = world.call({ headers: { "x-a": `${value}x` } });
  await assert.rejects(more, { code: "headers_too_large" });
  const length = { "content-length": String(REQUEST_BYTES) };
  assert.equal((await world.call({ headers: length })).status, 200);
  const { path: mount } = world.request({ path: "/" });
  const path = `/${"x".repeat(REQUEST_TARGET_BYTES_MAX - mount.length)}`;
  assert.equal((await world.call({ path })).status, 200);
  await assert.rejects(world.call({ path: `${path}x` }), { code: "headers_too_large" });
});

Deno.test("under a key a request is run and charged once, and answered as often as asked", async () => {
  using world = await openCounting();
  const first = await world.call(KEYED);
  assert.ok(!isReplayed(first));
  assert.equal(await first.text(), "run 1: data");
  for (const _ of [1, 2]) {
    const again = await world.call(KEYED);
    assert.ok(isReplayed(again));
    assert.equal(again.status, first.status);
    assert.equal(await again.text(), "run 1: data");
    assert.equal(
      again.headers.get("khachapuri-receipt"),
      first.headers.get("khachapuri-receipt"),
    );
  }
  assert.deepEqual(world.endings(), [["charged answered"]]);
  const other = await world.call({ ...KEYED, key: "other" });
  assert.equal(await other.text(), "run 2: data");
  await world.assertNothingTaken();
});

Deno.test("a failure of the program is kept under its key too", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.exit(3);
  const first = await (await world.call(KEYED)).text();
  const again = await world.call(KEYED);
  assert.deepEqual([again.status, await again.text()], [502, first]);
  assert.deepEqual(world.endings(), [["charged failed"]]);
});

Deno.test("an answer without a body is given again without one", async () => {
  using world = await openCallWorld();
  world.program = (run) => {
    run.print("HTTP/1.1 204 No Content\nx-a: b\n\n");
    run.exit();
  };
  await world.call(KEYED);
  const again = await world.call(KEYED);
  assert.deepEqual([again.status, again.body, again.headers.get("x-a")], [204, null, "b"]);
  assert.ok(isReplayed(again));
});

Deno.test("a key that is answered needs its payer's proof, and no credit", async () => {
  using world = await openCounting();
  await (await world.call(KEYED)).text();
  world.before.admit = refused("the permit is used up");
  assert.equal(await (await world.call(KEYED)).text(), "run 1: data");
  world.before.prove = refused("the signature is not the payer's");
  await assert.rejects(world.call(KEYED), /not the payer's/);
  await world.assertNothingTaken();
});

Deno.test("another request under a key is refused, while the first runs and after", async () => {
  using world = await openCounting();
  const others: CallOptions[] = [
    { ...KEYED, body: "other" },
    { ...KEYED, method: "PUT" },
    { ...KEYED, path: "/other" },
    { ...KEYED, path: "/?query" },
    { ...KEYED, headers: { "content-type": "other/type" } },
  ];
  await (await world.call(KEYED)).text();
  for (const other of others) {
    await assert.rejects(world.call(other), { code: "idempotency_mismatch" });
  }
  assert.deepEqual(world.endings(), [["charged answered"]]);
  await world.assertNothingTaken();
});

Deno.test("while a request runs, the same one under its key is told to come back", async () => {
  using world = await openCallWorld();
  world.program = () => {};
  const started = world.nextRun();
  const first = world.call(KEYED);
  const run = await started;
  await assert.rejects(world.call(KEYED), { code: "idempotency_conflict", retryAfterSeconds: 1 });
  run.print("done");
  run.exit();
  assert.equal(await (await first).text(), "done");
  assert.equal(await (await world.call(KEYED)).text(), "done");
  assert.deepEqual(world.endings(), [["charged answered"]]);
});

Deno.test("a key is free again when its run came to nothing", async () => {
  for (const stage of ["acquire", "slot", "hold", "run"] as const) {
    using world = await openCounting();
    world.before[stage] = refused("not now");
    await assert.rejects(world.call(KEYED), /not now/);
    delete world.before[stage];
    const answer = await world.call(KEYED);
    assert.ok(!isReplayed(answer));
    assert.equal(await answer.text(), "run 1: data");
    await world.assertNothingTaken();
  }
});

Deno.test("a key whose run failed at us is free again, and was not charged", async () => {
  using world = await openCounting();
  const { program } = world;
  world.program = (run) => run.fail(new KhachapuriError("sandbox_unavailable", "gone"));
  await assert.rejects(world.call(KEYED), { code: "sandbox_unavailable" });
  world.program = program;
  assert.equal(await (await world.call(KEYED)).text(), "run 1: data");
  assert.deepEqual(world.endings(), [["released sandbox_unavailable"], ["charged answered"]]);
});

Deno.test("a key whose first run came to nothing meanwhile has to be paid after all", async () => {
  using world = await openCounting();
  const { program } = world;
  world.program = () => {};
  const started = world.nextRun();
  const first = world.call(KEYED);
  const run = await started;
  const lost = new KhachapuriError("sandbox_unavailable", "gone");
  // The second finds the key in use, and free when it takes it.
  world.before.prove = async () => {
    run.fail(lost);
    await assert.rejects(first, { code: "sandbox_unavailable" });
  };
  let admitted = 0;
  world.before.admit = () => admitted += 1;
  world.program = program;
  assert.equal(await (await world.call(KEYED)).text(), "run 1: data");
  assert.equal(admitted, 1);
});

Deno.test("an answer that was cut short or is too large is charged and not given again", async () => {
  using world = await openCallWorld();
  const large = new Uint8Array(IDEMPOTENCY_ANSWER_BYTES_MAX + 1);
  world.program = (run) => {
    run.print(large);
    run.exit();
  };
  assert.equal((await (await world.call(KEYED)).bytes()).length, large.length);
  const again = { code: "idempotency_conflict", message: /was not kept: it was larger than/ };
  await assert.rejects(world.call(KEYED), again);

  world.program = (run) => run.print("half");
  const started = world.nextRun();
  const cut = await world.call({ ...KEYED, key: "cut" });
  (await started).meet("timeout");
  await assert.rejects(cut.text());
  await assert.rejects(world.call({ ...KEYED, key: "cut" }), {
    code: "idempotency_conflict",
    message: /was not kept: it was cut short/,
  });
  assert.deepEqual(world.endings(), [["charged answered"], ["charged timeout"]]);
  await world.assertNothingTaken();
});

Deno.test("a caller that goes away finds its answer under its key", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("first ");
  const started = world.nextRun();
  const response = await world.call(KEYED);
  const run = await started;
  const cancelled = response.body!.cancel();
  run.print("second");
  run.exit();
  await cancelled;
  assert.deepEqual(world.endings(), [["charged answered"]]);
  assert.equal(await (await world.call(KEYED)).text(), "first second");
  await world.assertNothingTaken();
});

Deno.test("a caller that went before the first byte finds its answer too", async () => {
  using world = await openCallWorld();
  world.isOpen = false;
  world.program = () => {};
  const caller = new AbortController();
  const started = world.nextRun();
  const call = world.call({ ...KEYED, signal: caller.signal });
  const run = await started;
  // Not before the call has its run.
  await aWhile();
  caller.abort();
  run.print("done");
  run.exit();
  await (await call).text();
  assert.deepEqual(world.endings(), [["charged answered"]]);
  assert.equal(await (await world.call(KEYED)).text(), "done");
});

Deno.test("a caller that goes away is not told how its run failed then; its key says so", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print("half");
  const started = world.nextRun();
  const { body } = await world.call(KEYED);
  const cancelled = body!.cancel();
  (await started).meet("timeout");
  await cancelled;
  assert.deepEqual(world.endings(), [["charged timeout"]]);
  await assert.rejects(world.call(KEYED), /was not kept: it was cut short/);
});

Deno.test("an answer too large to be kept is not finished for a caller that is gone", async () => {
  using world = await openCallWorld();
  world.program = (run) => run.print(new Uint8Array(IDEMPOTENCY_ANSWER_BYTES_MAX + 1));
  const started = world.nextRun();
  const { body } = await world.call(KEYED);
  await body!.cancel();
  await (await started).killed;
  assert.deepEqual(world.endings(), [["charged aborted"]]);
  await world.assertNothingTaken();
});

Deno.test("a key counts only for a caller that pays itself", async () => {
  using world = await openCounting();
  const { lane: _, ...owners } = KEYED;
  for (const run of [1, 2]) {
    const answer = await world.call({ ...owners, key: "no key" });
    assert.ok(!isReplayed(answer));
    assert.equal(await answer.text(), `run ${run}: data`);
  }
});

Deno.test("a body under a key is read whole before a credit is taken, and then let go", async () => {
  using world = await openCounting();
  const { readBody } = world.parts.gate;
  const freed: boolean[] = [];
  world.parts.gate.readBody = async (...asked) => {
    const whole = await readBody(...asked);
    assert.deepEqual(world.holds.length, freed.length);
    return { ...whole, free: () => void freed.push(true) };
  };
  await (await world.call(KEYED)).text();
  world.before.slot = refused("not now");
  await assert.rejects(world.call({ ...KEYED, key: "other" }));
  assert.deepEqual(freed, [true, true]);
});

Deno.test("a malformed key is refused, and costs nothing", async () => {
  using world = await openCallWorld();
  await assert.rejects(world.call({ ...KEYED, key: "a b" }), { code: "invalid_input" });
  assert.deepEqual(world.holds, []);
  await world.assertNothingTaken();
});

Deno.test("a receipt under a key is about the body that came", async () => {
  using world = await openCounting();
  await (await world.call(KEYED)).text();
  const { requestHash } = world.holds[0]!.facts!;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("data"));
  assert.equal(requestHash, `0x${new Uint8Array(digest).toHex()}`);
});

Deno.test("an answer is given again a few times, and no credit buys bytes without end", async () => {
  using world = await openCallWorld();
  await (await world.call(KEYED)).text();
  for (let i = 0; i < KEY_REPLAYS_BURST_MAX; i++) {
    assert.equal(await (await world.call(KEYED)).text(), "hello\n");
  }
  await assert.rejects(world.call(KEYED), { code: "rate_limited" });
  assert.deepEqual(world.endings(), [["charged answered"]]);
  await world.assertNothingTaken();
});

Deno.test("an answer that is given again has no times of its own, nor those of the first", async () => {
  using world = await openCounting();
  const asking = { ...KEYED, headers: { "khachapuri-timing": "1" } };
  const [first, again] = [await world.call(asking), await world.call(asking)];
  assert.ok(first.headers.has("server-timing") && isReplayed(again));
  assert.equal(again.headers.get("server-timing"), null);
  assert.equal(await again.text(), await first.text());
  await world.assertNothingTaken();
});

Deno.test("a body under a key that says to be too long to be held is not read, and free", async () => {
  using world = await openCallWorld();
  const headers = { "content-length": String(WHOLE_BODY_BYTES_MAX + 1) };
  const body = new ReadableStream({ pull: () => assert.fail("it was read") }, { highWaterMark: 0 });
  const keyed: CallOptions = { ...KEYED, headers, body };
  const refusal = { code: "body_too_large", data: { limit: WHOLE_BODY_BYTES_MAX } };
  await assert.rejects(world.call(keyed), refusal);
  assert.deepEqual(world.holds, []);
  await world.assertNothingTaken();
});

Deno.test("a body takes its payer's share of memory for as long as the program may read it", async () => {
  using world = await openCallWorld();
  const body = new Uint8Array(WHOLE_BODY_BYTES_MAX);
  const big = (key: string) => world.call({ method: "POST", body, lane: "lane", key });
  world.program = (run) => run.print("half");
  const begun: [Response, PlayedRun][] = [];
  for (let i = 0; i < BUFFERED_BODY_BYTES_MAX / PAYER_BODIES_PART / body.length; i++) {
    const run = world.nextRun();
    begun.push([await big(`key-${i}`), await run]);
  }
  await assert.rejects(big("more"), { code: "overloaded" });
  for (const [response, run] of begun) {
    run.exit();
    assert.equal(await response.text(), "half");
  }
  const last = world.nextRun();
  const response = await big("more");
  (await last).exit();
  await response.text();
  await world.assertNothingTaken();
});

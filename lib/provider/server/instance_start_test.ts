/** How instances come up, and what becomes of those that do not. */
import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { refusal } from "../../../worlds/refusal.ts";
import { aWhile } from "../../../worlds/turns.ts";
import {
  IDLE_MS,
  type PlayedServer,
  playServer,
  requestOf,
  textOf,
  until,
} from "../../../worlds/sandbox/played_server.ts";
import { ok } from "../../../worlds/sandbox/played_instance.ts";

const never = () => new Promise<void>(() => {});

/** Has the instance end as soon as it is there. */
async function endsAtStart(played: PlayedServer, record = { exit: 3 }): Promise<KhachapuriError> {
  const known = played.instances.length;
  const seat = refusal(played.seat());
  await until(() => played.instances.length > known);
  const instance = played.instances.at(-1)!;
  instance.print("Error: no such table\n");
  instance.die(record);
  return await seat;
}

Deno.test("a request starts an instance and is answered by it", async () => {
  await using played = await playServer({ handle: ({ target, write }) => write(ok(target)) });
  const seat = await played.seat();
  const { response, record } = seat.send(requestOf({ target: "/a?b" }));
  assert.equal(await textOf(await response), "/a?b");
  const { exit, limit, stdoutBytes } = await record;
  assert.deepEqual([exit, limit, stdoutBytes], [0, null, 4]);
  assert.deepEqual(played.story, ["started 1"]);
  const [view] = played.server.view().instances;
  assert.deepEqual([view!.requests, view!.inFlight, view!.tunnels], [1, 0, 0]);
});

Deno.test("two requests at once start one instance", async () => {
  await using played = await playServer({ instances: 4, concurrency: 2 });
  assert.deepEqual(await Promise.all([played.ask(), played.ask()]), ["hello", "hello"]);
  assert.equal(played.instances.length, 1);
  // What the first connection showed is used: nobody connects twice for two requests in turn.
  await played.ask();
  assert.deepEqual(played.story, ["started 1"]);
});

Deno.test("the connection by which an instance showed that it listens carries the first request", async () => {
  const connections: number[] = [];
  await using played = await playServer({
    handle({ connection, write }) {
      connections.push(connection);
      return write(ok());
    },
  });
  for (let count = 0; count < 3; count++) await played.ask();
  assert.deepEqual(connections, [1, 1, 1]);
});

Deno.test("a server that ends before it listens fails those who wait, with the reason", async () => {
  await using played = await playServer({ listens: never });
  const [one, other] = [refusal(played.seat()), refusal(played.seat())];
  await until(() => played.instances.length === 1);
  played.instances[0]!.print("Error: no such table\n");
  played.instances[0]!.die({ exit: 3 });
  for (const { code, message } of [await one, await other]) {
    assert.equal(code, "program_failed");
    assert.equal(message, "the server did not start: it exited with 3 before it listened");
  }
  assert.deepEqual(played.story, ["failed 1"]);
  const failed = played.events.find(({ kind }) => kind === "failed");
  assert(failed?.kind === "failed");
  // Its owner sees what it said; callers do not.
  assert.deepEqual(failed.toOwner.hints, ["it printed: Error: no such table"]);
  assert.deepEqual(failed.why.hints, ["its owner finds more in `khachapuri logs CID`"]);
  assert.equal(new TextDecoder().decode(failed.record!.stderr), "Error: no such table\n");
  assert.equal(played.server.view().restarts, 1);
});

Deno.test("failed starts are told from one another", async () => {
  for (
    const [record, code, text] of [
      [{ exit: null, signal: "SIGSEGV" }, "program_failed", /SIGSEGV ended it before it listened/],
      [{ limit: "memory" }, "program_limit", /it hit its memory limit before it listened/],
    ] as const
  ) {
    await using played = await playServer({ listens: never });
    const error = await endsAtStart(played, record as never);
    assert.equal(error.code, code);
    assert.match(error.message, text);
  }
});

Deno.test("a server that does not listen in time is ended", async () => {
  await using played = await playServer({ listens: never });
  const seat = refusal(played.seat());
  await until(() => played.instances.length === 1);
  await aWhile();
  played.clock.advance(9_999);
  await aWhile();
  assert.deepEqual(played.story, []);
  played.clock.advance(1);
  const { code, message } = await seat;
  assert.equal(code, "program_failed");
  assert.equal(message, "the server did not start: it did not listen on port 8080 within 10 s");
  assert(played.instances[0]!.isGone());
  assert.deepEqual(played.states(), []);
});

Deno.test("after a failed start nothing is started for one second, then two, then four", async () => {
  await using played = await playServer({ listens: (n) => n <= 3 ? never() : Promise.resolve() });
  for (const seconds of [1, 2, 4]) {
    await endsAtStart(played);
    const started = played.instances.length;
    const told = await refusal(played.seat());
    assert.match(told.message, /exited with 3/);
    assert.equal(told.retryAfterSeconds, seconds);
    played.clock.advance(seconds * 1_000 - 1);
    await refusal(played.seat());
    assert.equal(played.instances.length, started);
    played.clock.advance(1);
  }
  assert.equal(await played.ask(), "hello");
});

Deno.test("a sandbox that does not open in time is our failure, and closed when it does", async () => {
  const gate = Promise.withResolvers<void>();
  await using played = await playServer({
    opening: (number) => number === 1 ? gate.promise : ready,
  });
  const seat = refusal(played.seat());
  played.clock.advance(9_999);
  await aWhile();
  assert.deepEqual(played.states(), ["1 starting"]);
  played.clock.advance(1);
  const { code, retryAfterSeconds } = await seat;
  assert.deepEqual([code, retryAfterSeconds], ["sandbox_unavailable", 1]);
  assert.deepEqual(played.states(), []);
  gate.resolve();
  await until(() => played.instances[0]?.isGone() ?? false);
  played.clock.advance(1_000);
  assert.equal(await played.ask(), "hello");
});

const ready = Promise.resolve();

Deno.test("the end of a server waits no longer for a sandbox that does not open than for others", async () => {
  await using played = await playServer({ opening: never });
  const seat = refusal(played.seat());
  const drained = played.server.drain();
  await seat;
  await aWhile();
  played.clock.advance(5_000);
  await drained;
  assert.deepEqual(played.states(), []);
});

Deno.test("what fails on our side is told as that, and pauses starts as well", async () => {
  const ours = new KhachapuriError("sandbox_unavailable", "no more processes");
  await using played = await playServer({ opening: () => Promise.reject(ours) });
  assert.equal((await refusal(played.seat())).code, "sandbox_unavailable");
  assert.deepEqual(played.story, ["failed 1"]);
  const { code, retryAfterSeconds } = await refusal(played.seat());
  assert.deepEqual([code, retryAfterSeconds], ["sandbox_unavailable", 1]);
});

Deno.test("a server that crashes soon after it was ready pauses before it is started again", async () => {
  await using played = await playServer();
  await played.ask();
  played.clock.advance(9_999);
  played.instances[0]!.die({ exit: 1 });
  await until(() => played.states().length === 0);
  assert.deepEqual(played.story, ["started 1", "ended 1 crashed"]);
  assert.equal((await refusal(played.seat())).retryAfterSeconds, 1);
  played.clock.advance(1_000);
  await played.ask();
  // One that had worked for longer is started again at once.
  played.clock.advance(10_000);
  played.instances[1]!.die({ exit: 1 });
  await until(() => played.states().length === 0);
  assert.equal(await played.ask(), "hello");
  assert.equal(played.server.view().restarts, 2);
});

Deno.test("one that worked while it stood still is no crash like others", async () => {
  await using played = await playServer();
  await played.ask();
  played.clock.advance(20_000);
  assert.deepEqual(played.states(), ["1 frozen"]);
  played.instances[0]!.die({ exit: null, signal: "SIGKILL", limit: "escaped" });
  await until(() => played.states().length === 0);
  assert.deepEqual(played.story, ["started 1", "ended 1 escaped"]);
  const told = await refusal(played.seat());
  assert.match(told.message, /worked while it was to stand still/);
  assert.equal(told.retryAfterSeconds, 1);
});

Deno.test("a further instance that does not come up leaves those that work alone", async () => {
  const gates = [Promise.resolve(), never()];
  await using played = await playServer({
    instances: 2,
    concurrency: 1,
    listens: (number) => gates[number - 1]!,
  });
  const seat = await played.seat();
  const waiting = played.seat();
  await until(() => played.instances.length === 2);
  played.instances[1]!.die({ exit: 1 });
  await until(() => played.story.includes("failed 2"));
  seat.release();
  (await waiting).release();
  assert.deepEqual(played.states(), ["1 awake"]);
});

Deno.test("what is idle is told once, and not while a failure is remembered", async () => {
  await using played = await playServer({ listens: (n) => n <= 1 ? never() : Promise.resolve() });
  await endsAtStart(played);
  played.clock.advance(60_000);
  assert.deepEqual(played.story, ["failed 1"]);
  played.clock.advance(1_000);
  assert.deepEqual(played.story, ["failed 1", "idle"]);
  await played.ask();
  played.clock.advance(IDLE_MS);
  await until(() => played.states().length === 0);
  assert.deepEqual(played.story.slice(2), ["started 2", "ended 2 idle", "idle"]);
});

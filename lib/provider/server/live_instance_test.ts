/** Instances between requests: frozen, woken, ended when idle; and how a server ends. */
import assert from "node:assert/strict";
import { refusal } from "../../../worlds/refusal.ts";
import { ok, type PlayedRequest } from "../../../worlds/sandbox/played_instance.ts";
import {
  IDLE_MS,
  playServer,
  requestOf,
  textOf,
  until,
} from "../../../worlds/sandbox/played_server.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { InstanceBudget } from "./instance_budget.ts";

Deno.test("an instance stands still a moment after its last answer, and wakes for the next", async () => {
  const connections: number[] = [];
  await using played = await playServer({
    handle({ connection, write }) {
      connections.push(connection);
      return write(ok());
    },
  });
  await played.ask();
  played.clock.advance(99);
  await played.ask();
  assert.deepEqual(played.states(), ["1 awake"]);
  played.clock.advance(99);
  assert.deepEqual(played.states(), ["1 awake"]);
  played.clock.advance(1);
  assert.deepEqual(played.states(), ["1 frozen"]);
  // It would close them all when it wakes.
  await until(() => played.instances[0]!.connections() === 0);
  assert.equal(await played.ask(), "hello");
  assert.deepEqual(played.states(), ["1 awake"]);
  assert.deepEqual(connections, [1, 1, 2]);
  assert.deepEqual(played.instances[0]!.told, ["freeze", "thaw"]);
  assert.equal(played.server.view().instances[0]!.memoryBytes, 1_000);
});

Deno.test("an instance that never got a request stands still, too", async () => {
  await using played = await playServer();
  (await played.seat()).release();
  played.clock.advance(100);
  assert.deepEqual(played.states(), ["1 frozen"]);
});

Deno.test("a place that waits for its request wakes nobody, and lets nobody end", async () => {
  await using played = await playServer({ idleMs: 1_000 });
  const seat = await played.seat();
  played.clock.advance(2_000);
  assert.deepEqual(played.states(), ["1 frozen"]);
  assert.equal(await textOf(await seat.send(requestOf()).response), "hello");
  assert.deepEqual(played.instances[0]!.told, ["freeze", "thaw"]);
});

Deno.test("a connection that nobody used for a second is used no more", async () => {
  const connections: number[] = [];
  await using played = await playServer({
    async handle({ target, connection, write }) {
      connections.push(connection);
      if (target === "/hold") await new Promise(() => {});
      await write(ok());
    },
    limits: { timeoutMs: 60_000 },
  });
  const holding = await played.send({ target: "/hold" });
  await played.ask();
  await played.ask();
  played.clock.advance(1_000);
  // Also where no request asks for it: a server of one connection at a time waits for its end.
  await until(() => played.instances[0]!.connections() === 1);
  await played.ask();
  assert.deepEqual(connections, [1, 2, 2, 3]);
  holding.kill();
});

Deno.test("idle instances end, the last one too", async () => {
  await using played = await playServer({ instances: 2, concurrency: 1 });
  const seats = [await played.seat(), await played.seat()];
  seats[0]!.release();
  played.clock.advance(1_000);
  seats[1]!.release();
  played.clock.advance(IDLE_MS - 1_001);
  assert.deepEqual(played.states(), ["1 frozen", "2 frozen"]);
  played.clock.advance(1);
  await until(() => played.story.includes("ended 1 idle"));
  assert.deepEqual(played.states(), ["2 frozen"]);
  played.clock.advance(1_000);
  await until(() => played.states().length === 0);
  assert.deepEqual(played.story.slice(2), ["ended 1 idle", "ended 2 idle", "idle"]);
  // It was woken to be told.
  assert.deepEqual(played.instances[0]!.told, ["freeze", "thaw", "terminate", "close"]);
  assert.equal(await played.ask(), "hello");
});

Deno.test("an instance that does not end when told so is killed after five seconds", async () => {
  await using played = await playServer();
  await played.ask();
  const [instance] = played.instances;
  instance!.onTerminate = () => {};
  played.clock.advance(IDLE_MS);
  assert.deepEqual(played.states(), ["1 draining"]);
  played.clock.advance(4_999);
  assert(!instance!.isGone());
  played.clock.advance(1);
  assert(instance!.isGone());
  await until(() => played.states().length === 0);
  assert.deepEqual(played.story, ["started 1", "ended 1 idle", "idle"]);
});

/** Answers /slow when the gate opens, and WebSockets until they end. */
function slow(gate: Promise<void>) {
  return async ({ target, write, read }: PlayedRequest) => {
    if (target === "/ws") {
      await write(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
      );
      while (await read() !== null);
      return;
    }
    if (target === "/slow") await gate;
    await write(ok(target));
  };
}

Deno.test("a server that drains lets long answers end, and takes no more", async () => {
  const gate = Promise.withResolvers<void>();
  const budget = new InstanceBudget(1);
  await using played = await playServer({
    handle: slow(gate.promise),
    budget,
    limits: { timeoutMs: 60_000 },
  });
  const answer = (await played.send({ target: "/slow" })).response;
  let isDrained = false;
  const drained = played.server.drain().then(() => isDrained = true);
  assert.deepEqual(played.states(), ["1 draining"]);
  assert.equal((await refusal(played.seat())).code, "sandbox_unavailable");
  played.clock.advance(30_000);
  await aWhile();
  assert.equal(isDrained, false);
  gate.resolve();
  assert.equal(await textOf(await answer), "/slow");
  await drained;
  assert.deepEqual(played.story, ["started 1", "ended 1 drained"]);
  assert.equal(budget.taken(), 0);
  assert.equal(played.clock.pending(), 0);
});

Deno.test("a server at rest drains at once", async () => {
  await using played = await playServer();
  await played.ask();
  played.clock.advance(1_000);
  await played.server.drain();
  assert.deepEqual(played.instances[0]!.told, ["freeze", "thaw", "terminate", "close"]);
  assert.deepEqual(played.story, ["started 1", "ended 1 drained"]);
});

Deno.test("a place that was taken before a drain is still good", async () => {
  await using played = await playServer();
  const seat = await played.seat();
  played.clock.advance(1_000);
  const drained = played.server.drain();
  assert.equal(await textOf(await seat.send(requestOf()).response), "hello");
  await drained;
});

Deno.test("tunnels get ten seconds of a drain", async () => {
  await using played = await playServer({
    handle: slow(Promise.resolve()),
    limits: { timeoutMs: 60_000 },
  });
  const run = await played.send({ target: "/ws", upgrade: "websocket" });
  await run.response;
  const drained = played.server.drain();
  played.clock.advance(9_999);
  await aWhile();
  assert.equal(played.server.view().instances[0]!.tunnels, 1);
  played.clock.advance(1);
  assert.equal((await run.record).limit, "aborted");
  await drained;
});

Deno.test("a server that closes ends what it is doing, after a moment to end it well", async () => {
  await using played = await playServer({
    handle: slow(new Promise(() => {})),
    limits: { timeoutMs: 60_000 },
    concurrency: 1,
  });
  const run = await played.send({ target: "/slow" });
  const waiting = refusal(played.seat());
  played.instances[0]!.onTerminate = () => {};
  await aWhile();
  const closed = played.server.close();
  assert.equal((await waiting).code, "sandbox_unavailable");
  played.clock.advance(5_000);
  assert.equal((await refusal(run.response)).code, "program_limit");
  assert.equal((await run.record).limit, "aborted");
  await closed;
  assert.deepEqual(played.instances[0]!.told, ["terminate", "kill", "close"]);
  assert.equal(played.clock.pending(), 0);
});

Deno.test("a server that is closed while it starts leaves nothing", async () => {
  const budget = new InstanceBudget(1);
  const gate = Promise.withResolvers<void>();
  for (const opening of [() => Promise.resolve(), () => gate.promise]) {
    await using played = await playServer({
      budget,
      opening,
      listens: () => new Promise(() => {}),
    });
    const seat = refusal(played.seat());
    await aWhile();
    const closed = played.server.close();
    gate.resolve();
    await closed;
    assert.equal((await seat).code, "sandbox_unavailable");
    assert(played.instances[0]!.isGone());
    assert.equal(budget.taken(), 0);
    assert.deepEqual(played.story, []);
  }
});

Deno.test("what prints more than a log takes is held up, and loses nothing", async () => {
  await using played = await playServer();
  await played.ask();
  const [instance] = played.instances;
  for (let count = 0; count < 16; count++) await instance!.print("x".repeat(65_536));
  let isHeld = true;
  const held = Promise.resolve(instance!.print("y".repeat(65_536))).then(() => isHeld = false);
  await aWhile();
  assert(isHeld);
  played.clock.advance(1_000);
  await held;
  const printed = played.events.filter((event) => event.kind === "output");
  assert.equal(printed.reduce((sum, { bytes }) => sum + bytes.length, 0), 17 * 65_536);
});

Deno.test("an instance that is held up can end", async () => {
  await using played = await playServer();
  await played.ask();
  const held = played.instances[0]!.print("x".repeat(2 << 20));
  await played.server.close();
  await held;
});

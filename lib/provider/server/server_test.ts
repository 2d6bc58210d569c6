/** Who gets a place at which instance, who waits, and when there are more instances. */
import assert from "node:assert/strict";
import { refusal } from "../../../worlds/refusal.ts";
import { ok, type PlayedRequest } from "../../../worlds/sandbox/played_instance.ts";
import { playServer, until } from "../../../worlds/sandbox/played_server.ts";
import { aWhile } from "../../../worlds/turns.ts";
import { manualClock } from "../../../worlds/clock.ts";
import { InstanceBudget } from "./instance_budget.ts";
import { StartGate } from "./start_gate.ts";

Deno.test("there are more instances while all are full, and no more than asked for", async () => {
  await using played = await playServer({ instances: 2, concurrency: 2 });
  const seats = await Promise.all(Array.from({ length: 4 }, () => played.seat()));
  assert.deepEqual(played.states(), ["1 awake", "2 awake"]);
  assert.deepEqual(played.server.view().instances.map(({ inFlight }) => inFlight), [2, 2]);
  const fifth = played.seat();
  await aWhile();
  assert.equal(played.instances.length, 2);
  seats[3]!.release();
  (await fifth).release();
  for (const seat of seats) seat.release();
  assert.deepEqual(played.server.view().instances.map(({ inFlight }) => inFlight), [0, 0]);
});

Deno.test("an instance that works gets requests before one that stands still", async () => {
  await using played = await playServer({ instances: 2, concurrency: 2 });
  const seats = await Promise.all(Array.from({ length: 3 }, () => played.seat()));
  for (const seat of seats) seat.release();
  played.clock.advance(100);
  assert.deepEqual(played.states(), ["1 frozen", "2 frozen"]);
  await played.ask();
  await played.ask();
  assert.deepEqual(played.states(), ["1 awake", "2 frozen"]);
  const held = [await played.seat(), await played.seat()];
  // The first is full.
  await played.ask();
  assert.deepEqual(played.states(), ["1 awake", "2 awake"]);
  for (const seat of held) seat.release();
});

Deno.test("of those at work the one with the fewest requests gets the next", async () => {
  await using played = await playServer({ instances: 2, concurrency: 2 });
  const seats = await Promise.all(Array.from({ length: 4 }, () => played.seat()));
  const inFlight = () => played.server.view().instances.map(({ inFlight }) => inFlight);
  const [one, , three] = seats;
  one!.release();
  assert.deepEqual(inFlight(), [1, 2]);
  const next = await played.seat();
  assert.deepEqual(inFlight(), [2, 2]);
  next.release();
  three!.release();
  three!.release();
  assert.deepEqual(inFlight(), [1, 1]);
  seats[1]!.release();
  seats[3]!.release();
});

Deno.test("whoever waits gets the next place, in turn", async () => {
  await using played = await playServer({ concurrency: 1 });
  const seat = await played.seat();
  const order: number[] = [];
  const waiting = [1, 2].map(async (number) => {
    const own = await played.seat();
    order.push(number);
    own.release();
  });
  await aWhile();
  assert.deepEqual(order, []);
  seat.release();
  await Promise.all(waiting);
  assert.deepEqual(order, [1, 2]);
});

Deno.test("nobody waits for a place for longer than two seconds, or behind too many", async () => {
  await using played = await playServer({ concurrency: 2 });
  const seats = [await played.seat(), await played.seat()];
  const waiting = Array.from({ length: 4 }, () => refusal(played.seat()));
  const turned = await refusal(played.seat());
  assert.deepEqual([turned.code, turned.retryAfterSeconds], ["overloaded", 1]);
  played.clock.advance(1_999);
  let isTold = false;
  void waiting[0]!.then(() => isTold = true);
  await aWhile();
  assert.equal(isTold, false);
  played.clock.advance(1);
  for (const { code, message } of await Promise.all(waiting)) {
    assert.equal(code, "overloaded");
    assert.equal(message, "the server has too many requests at once");
  }
  for (const seat of seats) seat.release();
});

Deno.test("who waits for a slow start is not told that it takes long", async () => {
  const gate = Promise.withResolvers<void>();
  await using played = await playServer({ concurrency: 1, listens: () => gate.promise });
  const seats = [played.seat(), played.seat()];
  await until(() => played.instances.length === 1);
  played.clock.advance(9_000);
  await aWhile();
  gate.resolve();
  const first = await seats[0]!;
  // The other begins to wait for a place now.
  const late = refusal(seats[1]!);
  played.clock.advance(1_999);
  await aWhile();
  played.clock.advance(1);
  assert.equal((await late).code, "overloaded");
  first.release();
});

Deno.test("a further instance needs room on the machine, a first one gets that of an idle one", async () => {
  const clock = manualClock();
  const budget = new InstanceBudget(2);
  await using one = await playServer({ clock, budget, instances: 2, concurrency: 1 });
  await using two = await playServer({ clock, budget });
  await using three = await playServer({ clock, budget });
  await one.ask();
  clock.advance(10);
  await two.ask();
  clock.advance(10);
  assert.equal(budget.taken(), 2);
  await three.ask();
  // The longest idle one went for it.
  assert.deepEqual(one.story, ["started 1", "ended 1 idle", "idle"]);
  assert.deepEqual(two.story, ["started 1"]);
  assert.equal(budget.taken(), 2);
});

Deno.test("an instance that does not go for another is killed within a second", async () => {
  const clock = manualClock();
  const budget = new InstanceBudget(1);
  await using one = await playServer({ clock, budget });
  await using two = await playServer({ clock, budget });
  await one.ask();
  one.instances[0]!.onTerminate = () => {};
  const answer = two.ask();
  await aWhile();
  assert.deepEqual(one.states(), ["1 draining"]);
  clock.advance(999);
  await aWhile();
  assert.deepEqual(one.states(), ["1 draining"]);
  clock.advance(1);
  assert.equal(await answer, "hello");
  assert.deepEqual(one.instances[0]!.told, ["terminate", "kill", "close"]);
});

Deno.test("where all places are needed, who would start a server is told after two seconds", async () => {
  const clock = manualClock();
  const budget = new InstanceBudget(1);
  await using one = await playServer({ clock, budget });
  await using two = await playServer({ clock, budget });
  const seat = await one.seat();
  const refused = refusal(two.seat());
  clock.advance(2_000);
  const { code, message } = await refused;
  assert.equal(code, "overloaded");
  assert.equal(message, "this provider has too many servers at work to start another");
  assert.deepEqual(two.story, ["idle"]);
  seat.release();
  assert.equal(await two.ask(), "hello");
});

Deno.test("until one has come up, one is started at a time, and after a failure again", async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using played = await playServer({
    instances: 4,
    concurrency: 1,
    listens: (number) => gates[number - 1]?.promise ?? new Promise(() => {}),
  });
  const waiting = Array.from({ length: 4 }, () => played.seat());
  for (const seat of waiting) seat.catch(() => {});
  await until(() => played.instances.length === 1);
  await aWhile();
  assert.deepEqual(played.states(), ["1 starting"]);
  gates[0]!.resolve();
  // Three more wait, and what came up tells that others will; an owner has two starts at a time.
  await until(() => played.instances.length === 3);
  played.instances[2]!.die({ exit: 1 });
  await until(() => played.story.includes("failed 3"));
  played.clock.advance(1_000);
  await aWhile();
  assert.equal(played.instances.length, 3, "one is being started already");
});

Deno.test("who waits for a start that is not over gives up after fifteen seconds", async () => {
  const starts = new StartGate(1);
  const turn = starts.of("another", () => true).take(() => {})!;
  await using played = await playServer({ starts: starts.of("one", () => true) });
  const refused = refusal(played.seat());
  played.clock.advance(14_999);
  await aWhile();
  assert.deepEqual(played.states(), [], "it is not its turn");
  played.clock.advance(1);
  assert.equal((await refused).code, "overloaded");
  const seat = played.seat();
  turn.leave();
  (await seat).release();
  assert.deepEqual(played.states(), ["1 awake"]);
});

Deno.test("who leaves is told whether an instance is started meanwhile", async () => {
  const gate = Promise.withResolvers<void>();
  await using played = await playServer({ concurrency: 1, listens: () => gate.promise });
  const wait = played.server.seat();
  assert(wait instanceof Promise);
  const told = refusal(wait);
  assert.equal(wait.giveUp(), true);
  assert.equal((await told).code, "invalid_input");
  gate.resolve();
  const seat = await played.seat();
  const late = played.server.seat();
  assert(late instanceof Promise);
  const lateTold = refusal(late);
  assert.equal(late.giveUp(), false, "it waits for the one that there may be");
  await lateTold;
  seat.release();
});

Deno.test("no more than a thousand wait, whatever its server may have", async () => {
  await using played = await playServer({ instances: 64, concurrency: 1_024, opening: forEver });
  const waiting = Array.from({ length: 1_024 }, () => refusal(played.seat()));
  assert.equal((await refusal(played.seat())).code, "overloaded");
  const closed = played.server.close();
  await aWhile();
  played.clock.advance(5_000);
  await closed;
  for (const { code } of await Promise.all(waiting)) assert.equal(code, "sandbox_unavailable");
});

const forEver = () => new Promise<void>(() => {});

Deno.test("tunnels take no place, and keep their instance at work", async () => {
  await using played = await playServer({ concurrency: 1, handle: echoOrHello });
  const tunnels = [];
  for (let count = 0; count < 3; count++) {
    const run = await played.send(WS);
    const { tunnel, status } = await run.response;
    assert.equal(status, 101);
    tunnels.push({ tunnel: tunnel!, run });
  }
  const [view] = played.server.view().instances;
  assert.deepEqual([view!.inFlight, view!.tunnels, view!.state], [0, 3, "awake"]);
  played.clock.advance(500);
  assert.deepEqual(played.states(), ["1 awake"]);
  await tunnels[1]!.tunnel.write(new TextEncoder().encode("ping"));
  assert.equal(new TextDecoder().decode((await tunnels[1]!.tunnel.read())!), "ping");
  assert.equal(await played.ask(), "hello");
  for (const { tunnel } of tunnels) tunnel.close();
  const { exit, limit, stdoutBytes } = await tunnels[1]!.run.record;
  assert.deepEqual([exit, limit, stdoutBytes], [0, null, 4]);
  played.clock.advance(100);
  assert.deepEqual(played.states(), ["1 frozen"]);
  assert.equal(played.server.view().instances[0]!.requests, 4);
});

Deno.test("a tunnel has its time, as any request, and more where it gets more", async () => {
  await using played = await playServer({ handle: echoOrHello });
  const run = await played.send(WS);
  const { tunnel } = await run.response;
  run.extend(500);
  played.clock.advance(1_499);
  await aWhile();
  assert.equal(played.server.view().instances[0]!.tunnels, 1);
  played.clock.advance(1);
  assert.equal((await run.record).limit, "timeout");
  assert.equal((await refusal(tunnel!.read())).code, "program_timeout");
  // Its instance did nothing wrong.
  assert.deepEqual(played.states(), ["1 awake"]);
});

Deno.test("an instance has so many tunnels and no more", async () => {
  await using played = await playServer({
    concurrency: 64,
    handle: echoOrHello,
    limits: { timeoutMs: 60_000 },
  });
  const open = async () => {
    const run = await played.send(WS);
    return await run.response;
  };
  for (let count = 0; count < 1_024; count += 64) {
    await Promise.all(Array.from({ length: 64 }, open));
  }
  const told = await refusal(open());
  assert.deepEqual([told.code, told.retryAfterSeconds], ["overloaded", 1]);
  assert.equal(await played.ask(), "hello");
  assert.equal(played.server.view().instances[0]!.inFlight, 0);
});

const WS = { upgrade: "websocket", target: "/ws" } as const;

/** A server of WebSockets, as far as bytes go. */
async function echoOrHello({ target, write, read }: PlayedRequest): Promise<void> {
  if (target !== "/ws") return write(ok());
  await write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  for (let bytes; (bytes = await read()) !== null;) await write(new TextDecoder().decode(bytes));
}

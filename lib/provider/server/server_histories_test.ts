/** Random histories of two servers on one machine: what must hold whatever happens. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { KhachapuriError } from "../../errors.ts";
import { type ManualClock, manualClock } from "../../../worlds/clock.ts";
import { ok, type PlayedRequest } from "../../../worlds/sandbox/played_instance.ts";
import {
  type PlayedServer,
  playServer,
  requestOf,
  until,
} from "../../../worlds/sandbox/played_server.ts";
import { turn } from "../../../worlds/turns.ts";
import { InstanceBudget } from "./instance_budget.ts";
import type { ServerResponse } from "./exchange.ts";
import type { Seat, ServerRun } from "./life.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 20);
const INSTANCES = 2;
const CONCURRENCY = 2;
const PLACES = 3;

const TARGETS = ["/", "/never", "/half", "/close", "/crash", "/ws", "/last"] as const;

async function handle(
  { target, write, read, hangUp }: PlayedRequest,
  instance: { die(record: { exit: number }): void },
): Promise<void> {
  if (target === "/never") return await new Promise(() => {});
  if (target === "/close") return hangUp();
  if (target === "/crash") return instance.die({ exit: 1 });
  if (target === "/half") {
    await write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    return await new Promise(() => {});
  }
  if (target === "/ws") {
    await write(
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    while (await read() !== null);
    return;
  }
  await write(ok("hello", target === "/last" ? "Connection: close\r\n" : ""));
  if (target === "/last") hangUp();
}

/** What callers of both servers hold and wait for. */
class History {
  readonly seats: Seat[] = [];
  readonly runs: ServerRun[] = [];
  readonly responses: ServerResponse[] = [];
  /** Seats that were asked for and are not decided. */
  undecided = 0;

  constructor(readonly servers: readonly PlayedServer[], readonly budget: InstanceBudget) {}

  ask(played: PlayedServer): void {
    this.undecided += 1;
    played.seat().then((seat) => void this.seats.push(seat), expected)
      .finally(() => this.undecided -= 1);
  }

  release(index: number): void {
    this.seats.splice(index, 1)[0]?.release();
  }

  send(index: number, target: typeof TARGETS[number]): void {
    const [seat] = this.seats.splice(index % Math.max(1, this.seats.length), 1);
    if (!seat) return;
    const run = seat.send(requestOf({ target, upgrade: target === "/ws" ? "websocket" : null }));
    this.runs.push(run);
    run.response.then((response) => void this.responses.push(response), expected);
  }

  /** What must hold at any time. */
  check(): void {
    let live = 0;
    for (const { server } of this.servers) {
      const { instances } = server.view();
      live += instances.length;
      const up = instances.filter(({ state }) => state !== "draining");
      assert(up.length <= INSTANCES, "more instances than asked for");
      for (const { inFlight, tunnels } of instances) {
        assert(inFlight >= 0 && inFlight <= CONCURRENCY, `${inFlight} in flight`);
        assert(tunnels >= 0, `${tunnels} tunnels`);
      }
    }
    assert.equal(this.budget.taken(), live);
    assert(live <= PLACES, "more instances than there are places");
  }
}

/** All that callers may be told. */
function expected(thrown: unknown): void {
  if (!(thrown instanceof KhachapuriError)) throw thrown;
  const codes = [
    "overloaded",
    "program_failed",
    "program_limit",
    "program_timeout",
    "sandbox_unavailable",
  ];
  assert(codes.includes(thrown.code), thrown.message);
}

const index = fc.nat(7);
const server = fc.nat(1);
const ms = fc.constantFrom(1, 100, 250, 1_000, 2_000, 60_000);

/** What may happen: its name, and of what. */
const steps = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constant("ask"), server) },
  { weight: 6, arbitrary: fc.tuple(fc.constant("send"), index, fc.constantFrom(...TARGETS)) },
  { weight: 5, arbitrary: fc.tuple(fc.constant("wait"), ms) },
  { weight: 4, arbitrary: fc.tuple(fc.constant("read"), index) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("kill"), index) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("release"), index) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("extend"), index) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("give up"), index) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("die"), server, index) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("drain"), server) },
);
type Step = typeof steps extends fc.Arbitrary<infer T> ? T : never;

function take(history: History, clock: ManualClock, [what, at, of]: Step): void {
  const response = history.responses[at];
  if (what === "ask") history.ask(history.servers[at]!);
  else if (what === "send") history.send(at, of as typeof TARGETS[number]);
  else if (what === "wait") clock.advance(at);
  else if (what === "read") void response?.read().catch(expected);
  else if (what === "kill") history.runs[at]?.kill();
  else if (what === "release") history.release(at);
  else if (what === "extend") history.runs[at]?.extend(500);
  else if (what === "die") history.servers[at]!.instances[of as number]?.die({ exit: 1 });
  else if (what === "drain") void history.servers[at]!.server.drain();
  else if (response?.tunnel) response.tunnel.close();
  else response?.cancel();
}

async function play(history: Step[]): Promise<void> {
  const clock = manualClock();
  const budget = new InstanceBudget(PLACES);
  const options = { clock, budget, instances: INSTANCES, concurrency: CONCURRENCY, handle };
  await using one = await playServer(options);
  await using two = await playServer(options);
  const played = new History([one, two], budget);
  for (const step of history) {
    take(played, clock, step);
    for (let turns = 0; turns < 3; turns++) await turn();
    played.check();
  }
  await settle(played, clock);
}

/** Lets all that is under way end by its time; then nothing may be left. */
async function settle(history: History, clock: ManualClock): Promise<void> {
  for (let seconds = 0; seconds < 30; seconds++) {
    clock.advance(1_000);
    for (let turns = 0; turns < 3; turns++) await turn();
    while (history.seats.length > 0) history.release(0);
  }
  await until(() => history.undecided === 0, "a place");
  while (history.seats.length > 0) history.release(0);
  for (const { server } of history.servers) {
    for (const { inFlight, tunnels } of server.view().instances) {
      assert.deepEqual([inFlight, tunnels], [0, 0]);
    }
  }
  for (const run of history.runs) await run.record.catch(expected);
  await Promise.all(history.servers.map(({ server }) => server.close()));
  assert.equal(history.budget.taken(), 0);
  assert.equal(clock.pending(), 0);
  for (const { instances } of history.servers) {
    assert(instances.every((instance) => instance.isGone() && instance.connections() === 0));
  }
}

Deno.test("whatever happens to servers, their accounts are right and nothing stays open", async () => {
  const histories = fc.array(steps, { minLength: 10, maxLength: 60, size: "max" });
  const property = fc.asyncProperty(histories, play);
  await fc.assert(property, { numRuns: RUNS });
});

/** Histories of a queue on a clock that is played: what holds after each step, and in the end. */
import assert from "node:assert/strict";
import { BOUNDS, flood, plainly, type Played, QueueWorld } from "../../../worlds/queue.ts";
import { type Random, randomOf } from "../../../worlds/random.ts";
import { Heap } from "../../heap.ts";
import { FairQueue } from "./fair_queue.ts";
import type { CallOf, Turn } from "./parties.ts";
import { leavesRoom } from "./slot_share.ts";

const SEEDS = 1_000;

function callOf(random: Random): CallOf {
  const owner = `owner ${random.between(1, 4)}`;
  const which = random.between(1, 2);
  return {
    owner,
    payer: random.chance(0.5) ? null : `payer ${random.between(1, 3)}`,
    deployment: `${owner}:${which}`,
    concurrency: which === 1 ? 64 : 3,
  };
}

/** What holds at any time, whatever happened. */
function assertSound({ queue, played, bounds, now }: QueueWorld): void {
  const running = played.filter(({ turn }) => turn.state === "running");
  const waiting = played.filter(({ turn }) => turn.state === "waiting");
  const returning = played.filter(({ turn }) => turn.state === "returning");
  assert.equal(queue.busy, running.length);
  assert.equal(queue.waiting, waiting.length + returning.length);
  assert.ok(queue.busy <= bounds.slots, "more run than there are slots");
  assert.ok(waiting.length <= bounds.waitingMax);
  const runs = new Map<string, number>();
  for (const { about: { owner, deployment } } of running) {
    for (const key of [owner, deployment]) runs.set(key, (runs.get(key) ?? 0) + 1);
  }
  const runsOf = (key: string) => runs.get(key) ?? 0;
  const isOpen = ({ about }: Played) => runsOf(about.deployment) < about.concurrency;
  for (const { about } of running) {
    assert.ok(runsOf(about.deployment) <= about.concurrency, "beyond its limit");
  }
  const free = bounds.slots - queue.busy;
  // Work conserving: who could have a slot has one.
  for (const each of waiting) {
    if (!isOpen(each)) continue;
    assert.ok(!leavesRoom(runsOf(each.about.owner), free), "waits beside a slot");
  }
  assert.ok(free === 0 || !returning.some(isOpen), "who comes back waits beside a slot");
  for (const each of [...waiting, ...returning]) {
    assert.ok(now - each.turn.since <= bounds.waitMs, "waits for too long");
  }
  // In their order, within a payer and deployment.
  for (const { about, turn } of waiting) {
    for (const other of running) {
      const isSame = other.about.deployment === about.deployment &&
        other.about.payer === about.payer && other.turn.owner === turn.owner;
      const cameLater = other.turn.order > turn.order && other.begunAt !== null;
      assert.ok(!(isSame && cameLater && other.begunAt! > turn.since), "somebody was passed");
    }
  }
}

Deno.test("whatever happens, slots are used and limits kept, and what leaves is gone", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = randomOf(seed);
    const world = new QueueWorld({ ...BOUNDS, slots: random.between(1, 9), waitingMax: 30 });
    for (let step = 0; step < 60; step++) {
      const live = world.played.filter(({ turn }) => turn.state !== "over");
      const one = live.length > 0 ? random.pick(live) : null;
      if (one === null || random.chance(0.55)) world.ask(callOf(random), null);
      else if (one.turn.state === "running" && random.chance(0.2)) {
        world.queue.stepAside(one.turn, world.now);
      } else if (one.turn.state === "aside" && random.chance(0.8)) {
        world.comeBack(one.turn);
      } else world.queue.leave(one.turn, world.now);
      if (random.chance(0.3)) world.until(world.now + random.between(1, 3_000));
      assertSound(world);
    }
    for (const { turn } of world.played) world.queue.leave(turn, world.now);
    assertSound(world);
    const { busy, waiting, aside } = world.queue;
    assert.deepEqual({ busy, waiting, aside }, { busy: 0, waiting: 0, aside: 0 }, `seed ${seed}`);
    const after = world.ask(callOf(random), null);
    assert.equal(after?.turn.state, "running", "a trace is left");
  }
});

Deno.test("no owner takes a slot beyond half of them while another's call could have it", () => {
  for (let seed = 1; seed <= SEEDS / 4; seed++) {
    const random = randomOf(seed);
    const world = new QueueWorld({ ...BOUNDS, slots: random.between(2, 24) });
    const half = Math.ceil(world.bounds.slots / 2);
    for (let step = 0; step < 80; step++) {
      const live = world.played.filter(({ turn }) => turn.state !== "over");
      const before = new Map(live.map(({ turn }) => [turn, turn.state]));
      if (live.length === 0 || random.chance(0.6)) {
        const about = callOf(random);
        world.ask({ ...about, concurrency: 64 }, null);
      } else world.queue.leave(random.pick(live).turn, world.now);
      world.now += random.between(0, 200);
      const waiting = world.played.filter(({ turn }) => turn.state === "waiting");
      for (const { turn, about: { owner } } of world.played) {
        const begins = turn.state === "running" && before.get(turn) !== "running";
        const others = waiting.filter((other) => other.about.owner !== owner);
        if (!begins || others.length === 0) continue;
        assert.ok(turn.owner.share.held <= half, `seed ${seed}: ${turn.owner.share.held}`);
      }
    }
  }
});

Deno.test("owners that want all get as much slot-time as each other, but for a run", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = randomOf(seed);
    const slots = random.between(1, 12);
    const world = new QueueWorld({ ...BOUNDS, slots, waitMs: Infinity, waitingMax: 1e6 });
    const owners = Array.from({ length: random.between(2, 6) }, (_, at) => ({
      key: `owner ${at}`,
      runMs: random.pick([10, 50, 300, 1_000]),
    }));
    for (const { key, runMs } of owners) flood(world, plainly(key), 2 * slots + 2, () => runMs);
    world.until(20_000);
    const had = owners.map(({ key, runMs }) => world.slotTime(key, 10_000, 20_000, () => runMs));
    const longest = Math.max(...owners.map(({ runMs }) => runMs));
    const apart = Math.max(...had) - Math.min(...had);
    assert.ok(apart <= 2 * longest, `seed ${seed}: ${apart} apart, a run takes ${longest}`);
  }
});

Deno.test("payers of an owner share its slots, and none of them another owner's", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = randomOf(seed);
    const slots = random.between(4, 12);
    const world = new QueueWorld({ ...BOUNDS, slots, waitMs: Infinity, waitingMax: 1e6 });
    const runMs = { long: 1_000, short: 20, other: random.pick([20, 1_000]) };
    flood(world, plainly("owner", "long"), 2 * slots, () => runMs.long);
    flood(world, plainly("owner", "short"), 2 * slots, () => runMs.short);
    flood(world, plainly("other"), 2 * slots, () => runMs.other);
    world.until(40_000);
    const msOf = ({ about: { payer } }: Played) => runMs[(payer ?? "other") as keyof typeof runMs];
    const of = (payer: string | null) =>
      world.played.filter(({ about }) => about.payer === payer).reduce((sum, played) => {
        if (played.begunAt === null) return sum;
        const from = Math.max(10_000, played.begunAt);
        return sum + Math.max(0, Math.min(40_000, played.begunAt + msOf(played)) - from);
      }, 0);
    const apart = Math.abs(of("long") - of("short"));
    assert.ok(apart <= 2 * runMs.long, `seed ${seed}: payers are ${apart} apart`);
    const owners = Math.abs(of("long") + of("short") - of(null));
    assert.ok(owners <= 2 * runMs.long, `seed ${seed}: owners are ${owners} apart`);
  }
});

Deno.test("a single caller has a slot at once, whatever one other owner asks for", () => {
  for (const runMs of [10, 1_000, 10_000]) {
    for (const callers of [64, 128, 1_024]) {
      const world = new QueueWorld({ ...BOUNDS, slots: 64, waitingMax: 1_280 });
      flood(world, plainly("greedy"), callers, () => runMs);
      let asked = 0;
      const politely = () => {
        asked += 1;
        const played = world.ask(plainly("polite"), 100, () => world.after(50, politely));
        assert.equal(played?.turn.state, "running", `${callers} x ${runMs} ms`);
      };
      world.after(500, politely);
      world.until(30_000);
      assert.ok(asked > 100, `it asked ${asked} times`);
    }
  }
});

Deno.test("long runs starve no short ones, of however many owners there are", () => {
  const world = new QueueWorld({ ...BOUNDS, slots: 4, waitMs: 10_000 });
  for (let at = 0; at < 8; at++) flood(world, plainly(`long ${at}`), 8, () => 2_000);
  for (let at = 0; at < 8; at++) flood(world, plainly(`short ${at}`), 8, () => 20);
  world.until(60_000);
  for (let at = 0; at < 8; at++) {
    const had = world.slotTime(`short ${at}`, 10_000, 60_000, () => 20);
    // An even part of 4 slots for 50 s is 12.5 s each.
    assert.ok(had > 8_000, `short ${at} had ${had} ms`);
  }
});

/** How often something enters a heap meanwhile. */
function movesOf(work: () => void): number {
  const { add } = Heap.prototype;
  let moves = 0;
  Heap.prototype.add = function (entry) {
    moves += 1;
    add.call(this, entry);
  };
  try {
    work();
  } finally {
    Heap.prototype.add = add;
  }
  return moves;
}

Deno.test("of how many deployments an owner's calls wait costs nobody anything", () => {
  for (const deployments of [1, 1_000]) {
    const queue = new FairQueue({ ...BOUNDS, waitMs: Infinity, waitingMax: 1e6 });
    const ask = (at: number) =>
      queue.ask({ ...plainly("owner"), deployment: `owner:${at % deployments}` }, 0) as Turn;
    const turns = Array.from({ length: 1_100 }, (_, at) => ask(at));
    assert.ok(queue.busy > 8 && queue.waiting > 1_000);
    const moves = movesOf(() => queue.leave(turns[0]!, 1_000));
    assert.equal(turns.filter(({ state }) => state === "running").length, queue.busy);
    assert.ok(moves <= 12, `${moves} moves`);
  }
});

Deno.test("who comes back when it was told to has a slot, nearly always", () => {
  const came: (Played | null)[] = [];
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomOf(seed);
    const slots = random.between(4, 64);
    const world = new QueueWorld({ ...BOUNDS, slots, waitingMax: 100 });
    const runMs = random.pick([200, 1_000, 5_000, 10_000]);
    const concurrency = random.pick([1, 3, 8, 64]);
    const about = { ...plainly("owner"), concurrency };
    const call = (isBack: boolean) => {
      const played = world.ask(about, runMs * (0.8 + 0.4 * random.next()));
      if (isBack) came.push(played);
      const retryMs = world.refused.at(-1)?.refusal.retryMs ?? 0;
      // What is a minute or more away nobody knows.
      if (!played && retryMs < 59_000) {
        world.after(1_000 * Math.ceil(retryMs / 1_000), () => call(true));
      }
    };
    // What the provider has seen of it before.
    for (let at = 0; at < 3; at++) world.after(at * 12_000, () => call(false));
    const burst = random.between(10, 300);
    for (let at = 0; at < burst; at++) {
      world.after(40_000 + random.between(0, 2_000), () => call(false));
    }
    world.until(200_000);
    for (const { refusal } of world.refused) {
      assert.ok(refusal.retryMs >= 0 && refusal.retryMs <= 60_000);
    }
  }
  const served = came.filter((played) => played !== null && played.begunAt !== null).length;
  assert.ok(came.length > 1_000, `${came.length} came back`);
  assert.ok(served >= 0.95 * came.length, `${served} of ${came.length} that came back`);
});

/** As the provider has them. */
const PATIENT = { ...BOUNDS, slots: 64, waitingMax: 1_600, payerWaitingMax: 512, waitMs: 3_000 };

/** Calls again and again, also where that is refused: after the time that it is told, or sooner. */
function insist(
  world: QueueWorld,
  about: CallOf,
  { runMs, backMs }: { runMs: () => number; backMs: (retryMs: number) => number },
): void {
  const again = () => {
    const played = world.ask(about, runMs(), () => world.after(1, again));
    if (!played) world.after(backMs(world.refused.at(-1)!.refusal.retryMs), again);
  };
  again();
}

const runsOf = ({ played }: QueueWorld, is: (about: CallOf) => boolean) =>
  played.filter(({ about, begunAt }) => begunAt !== null && is(about)).length;

Deno.test("who pays itself has its part of a deployment, however many call at the owner's cost", () => {
  for (const strangers of [16, 64, 128]) {
    for (const isTold of [true, false]) {
      const random = randomOf(strangers);
      const world = new QueueWorld(PATIENT);
      const runMs = () => random.between(500, 1_500);
      const of = (payer: string | null): CallOf => ({ ...plainly("owner", payer), concurrency: 8 });
      for (let at = 0; at < strangers; at++) {
        insist(world, of(null), { runMs, backMs: () => random.between(100, 300) });
      }
      const backMs = (retryMs: number) => isTold ? Math.max(1_000, retryMs) : 1_000;
      world.after(5_000, () => {
        for (let at = 0; at < 4; at++) insist(world, of("payer"), { runMs, backMs });
      });
      world.until(305_000);
      // Four at a time, of a second each, for 300 s: its half of eight.
      const runs = runsOf(world, ({ payer }) => payer === "payer");
      assert.ok(runs > 850, `${runs} runs beside ${strangers} strangers`);
    }
  }
});

Deno.test("an owner with long runs has its part of the slots, however many have short ones", () => {
  for (const owners of [4, 6, 8, 16]) {
    const world = new QueueWorld({ ...PATIENT, slots: 16 });
    const backMs = (retryMs: number) => Math.max(1_000, retryMs);
    for (let each = 0; each < 8 * owners; each++) {
      insist(world, plainly(`short ${each % owners}`), { runMs: () => 50, backMs });
    }
    insist(world, plainly("long"), { runMs: () => 15_000, backMs });
    world.until(600_000);
    const runs = runsOf(world, ({ owner }) => owner === "long");
    assert.ok(runs >= 35, `${runs} runs beside ${owners} owners`);
  }
});

Deno.test("a crowd that waits leaves places to whoever else pays", () => {
  const world = new QueueWorld({ ...PATIENT, slots: 4, waitMs: Infinity });
  while (world.ask(plainly("owner"), null) !== null) continue;
  assert.equal(world.refused.at(-1)!.refusal.reason, "full");
  assert.equal(world.queue.waiting, 1_024);
  assert.ok(world.ask(plainly("owner", "payer"), null));
  assert.ok(world.ask(plainly("another"), null));
});

/** Servers that stand still between requests, and those that would rather not. */
import assert from "node:assert/strict";
import { eachLauncher } from "../worlds/sandbox/launchers.ts";
import { FD, PORT, TestServer } from "../worlds/sandbox/servers.ts";
import { prepareHost } from "./native.ts";
import { CONTROLLER } from "./protocol.ts";
import type { RunRecord } from "./run.ts";
import { pause } from "../lib/pause.ts";

const { controllers } = await prepareHost({ launcher: "bwrap", runUid: null });
const countsMemory = (controllers & CONTROLLER.memory) !== 0;

/** Longer than the looks that find out who does not stand still (init/freeze.c). */
const WATCHED_MS = 2_500;

async function countOf(server: TestServer): Promise<number> {
  return parseInt(await server.ask("work"));
}

eachLauncher("frozen it computes nothing, and thawed it goes on and answers", async (launcher) => {
  for (const listen of [PORT, FD]) {
    await using server = await TestServer.open(launcher, { listen });
    await server.ask("spin");
    const first = await countOf(server);
    await pause(100);
    assert(await countOf(server) > first, "it works while it is awake");
    await server.freeze();
    const before = await server.instance.usage();
    await pause(300);
    assert.deepEqual(await server.instance.usage(), before);
    server.instance.thaw();
    const thawed = await countOf(server);
    await pause(100);
    assert(await countOf(server) > thawed);
  }
});

eachLauncher("who comes while it is frozen is answered when it is thawed", async (launcher) => {
  for (const listen of [PORT, FD]) {
    await using server = await TestServer.open(launcher, { listen });
    await server.ready();
    await server.freeze();
    let answered = false;
    const answer = server.ask("early").then((text) => {
      answered = true;
      return text;
    });
    await pause(200);
    assert.equal(answered, false);
    server.instance.thaw();
    assert.equal(await answer, "early\ndone\n");
  }
});

eachLauncher("freezing and thawing many times leaves it as it was", async (launcher) => {
  await using server = await TestServer.open(launcher);
  await server.ask("spin");
  for (let round = 0; round < 50; round++) {
    server.instance.freeze();
    server.instance.thaw();
    assert.equal(await server.ask("early"), "early\ndone\n");
  }
});

eachLauncher("frozen it can be told to end, and be killed", async (launcher) => {
  await using told = await TestServer.open(launcher);
  await told.ready();
  await told.freeze();
  told.instance.terminate();
  assert.equal((await told.instance.record).exit, 7);
  await using killed = await TestServer.open(launcher);
  await killed.ready();
  await killed.freeze();
  killed.instance.kill();
  assert.equal((await killed.instance.record).limit, "aborted");
});

/**
 * Freezes a server that tries to escape. A stop takes back a signal that has not been delivered,
 * whose timer fires no more then (timer_create(2)): that escape has failed, and another is tried.
 */
async function frozenUntilEnded(server: TestServer, way: string): Promise<RunRecord> {
  const { instance } = server;
  const threadsOfWay = way === "escape forks" ? 0 : 1;
  for (let threads = 1 + threadsOfWay;; threads += threadsOfWay) {
    await server.ask(way);
    // Who answered is gone then: else that thread would take the stop for all.
    await server.threadsAtMost(threads);
    instance.freeze();
    const record = await Promise.race([instance.record, pause(WATCHED_MS).then(() => null)]);
    if (record) return record;
    assert.match(way, /^escape/, "only what a timer begins can fail to begin");
    instance.thaw();
  }
}

for (const way of ["escape", "escape forks"]) {
  eachLauncher(`one that works while it is frozen is ended: ${way}`, async (launcher) => {
    await using server = await TestServer.open(launcher);
    const record = await frozenUntilEnded(server, way);
    assert.equal(record.limit, "escaped");
  });
}

/** Longer than a stop takes to be told from an escape; shorter than it is without a look then. */
const LATER_MS = 450;
const TAKEN_MIB = 200;
const mib = (bytes: number | null) => bytes! / (1024 * 1024);

for (const way of ["escape later", "vfork"]) {
  eachLauncher({
    name: countsMemory
      ? `frozen it takes memory by ${way}: NOT RUN, a cgroup counts it`
      : `one that takes memory while it is frozen is ended before it has much: ${way}`,
    ignore: countsMemory,
  }, async (launcher) => {
    await using server = await TestServer.open(launcher);
    const record = await frozenUntilEnded(server, `${way} ${LATER_MS}`);
    // Whichever a look finds first.
    assert.match(record.limit!, /^(escaped|memory)$/);
    // What can be had from one look to the next, beside what is allowed.
    assert(mib(record.peakMemoryBytes) < TAKEN_MIB, `${mib(record.peakMemoryBytes)} MiB`);
    // The same, where nothing holds it up.
    await using free = await TestServer.open(launcher, { memoryMb: 2_048 });
    await free.ask(`${way} ${LATER_MS}`);
    for (let held = 0; held <= TAKEN_MIB;) {
      await pause(100);
      held = mib((await free.instance.usage()).memoryBytes);
    }
  });
}

eachLauncher("the same one awake, and one that only stands still, are not", async (launcher) => {
  await using still = await TestServer.open(launcher);
  await still.ask("spin");
  await using awake = await TestServer.open(launcher);
  await awake.ask("escape");
  await still.freeze();
  await pause(WATCHED_MS);
  still.instance.thaw();
  for (const server of [still, awake]) assert.equal(await server.ask("early"), "early\ndone\n");
});

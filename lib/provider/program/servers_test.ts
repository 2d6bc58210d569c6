/** Servers of deployments, as they come and go: real ones, of programs that lie in a folder. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { EGRESS } from "../../../worlds/routes.ts";
import { makeFolder } from "../../../worlds/home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { CidText } from "../../cid.ts";
import { pause } from "../../pause.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { InstanceBudget } from "../server/instance_budget.ts";
import { StartGate } from "../server/start_gate.ts";
import { seatOf } from "./interface/interface.ts";
import { Sandboxes } from "./sandboxes.ts";
import { SocketFolders } from "./socket_folders.ts";

const SERVER = "#!/bin/sh\nexec python3 -m http.server $PORT\n";
const IDLE_MS = 100;

/** Servers of this program; `events` are told in the order in which they came. */
async function open(main = SERVER) {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await makeFolder());
  const programDir = join(dir, "program");
  await Deno.mkdir(programDir);
  await Deno.writeTextFile(join(programDir, "main"), main, { mode: 0o755 });
  for (const path of [dir, programDir]) await Deno.chmod(path, 0o755);
  const sockets = await SocketFolders.open(join(dir, "sockets"));
  const held = new Set<object>();
  const events: string[] = [];
  let noticed = Promise.withResolvers<void>();
  const paid = new Map<CidText, number>();
  const tell = (event: string) => {
    events.push(event);
    noticed.resolve();
    noticed = Promise.withResolvers();
  };
  const sandboxes = new Sandboxes({
    host: { launcher: "bwrap", runUid: Deno.uid() === 0 ? 1_800_000_000 : null },
    programs: {
      acquire() {
        const folder = {
          path: programDir,
          release() {
            held.delete(folder);
            tell("released");
          },
        };
        held.add(folder);
        return Promise.resolve(folder);
      },
    },
    isPaying: () => true,
    limits: { timeoutMs: 5_000, memoryMb: 128, credits: 1, responseBytes: 1_000 },
    egress: EGRESS,
    noteEgress: () => {},
    servers: {
      budget: new InstanceBudget(8),
      starts: new StartGate(),
      idleMs: IDLE_MS,
      sockets,
    },
    noteServer({ cid }, event) {
      if (event.kind !== "output") tell(`${cid} ${event.kind}`);
    },
    firstPaid: (cid) => paid.get(cid) ?? null,
    idleMs: IDLE_MS,
    openMax: 4,
  });
  stack.defer(() => sandboxes.close());
  const owned = stack.move();
  return {
    sandboxes,
    events,
    paid,
    held,
    socketsLeft: async () => (await Array.fromAsync(Deno.readDir(join(dir, "sockets")))).length,
    /** Resolves when this has come, or had. */
    async until(event: string): Promise<void> {
      while (!events.includes(event)) await noticed.promise;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A call's lease, with the place that it got. */
async function call(sandboxes: Sandboxes, called: Deployment) {
  const lease = await sandboxes.acquire(called);
  try {
    return { place: await lease.take(), release: lease.release };
  } catch (error) {
    lease.release();
    throw error;
  }
}

const { server: _, ...SPEC } = await sampleSpec({ fields: { interface: "http" } });

function deployment(cid: string, changes: Partial<Deployment["spec"]> = {}): Deployment {
  const spec = { ...SPEC, server: { instances: 1 }, ...changes };
  return { cid: cid as CidText, spec, entry: spec.providers[0]! };
}

Deno.test("a server is started for the first call, kept for the next, and gone when idle", async () => {
  await using world = await open();
  const { sandboxes, events } = world;
  const first = await call(sandboxes, deployment("one"));
  const run = seatOf(first.place).send({
    method: "GET",
    target: "/main",
    fields: [["host", "a"]],
    body: null,
    bodyBytes: null,
    upgrade: null,
  });
  const response = await run.response;
  assert.equal(response.status, 200);
  response.cancel();
  await run.record;
  first.release();
  (await call(sandboxes, deployment("one"))).release();
  const [server] = sandboxes.servers();
  assert.deepEqual(events, ["one started"]);
  assert.equal(server!.view.instances.length, 1);
  assert.equal(await world.socketsLeft(), 1);
  await world.until("released");
  assert.deepEqual(events, ["one started", "one ended", "released"]);
  assert.deepEqual([sandboxes.open(), sandboxes.servers()], [0, []]);
});

Deno.test("a server in use stays, however long", async () => {
  await using world = await open();
  const lease = await call(world.sandboxes, deployment("one"));
  const start = performance.now();
  while (performance.now() - start < 3 * IDLE_MS) {
    (await call(world.sandboxes, deployment("one"))).release();
  }
  assert.deepEqual(world.events, ["one started"]);
  lease.release();
  await world.until("released");
});

Deno.test("a stop ends the server once its request is over, and the folder is free then", async () => {
  await using world = await open();
  const { sandboxes } = world;
  const lease = await call(sandboxes, deployment("one"));
  const other = await call(sandboxes, deployment("two", { id: `0x${"02".repeat(32)}` }));
  sandboxes.stop(SPEC);
  assert.equal(sandboxes.open(), 1, "the other one's goes on");
  assert.equal(sandboxes.servers().length, 2);
  assert.equal(world.held.size, 2);
  lease.release();
  await world.until("released");
  assert.deepEqual(world.events.slice(-2), ["one ended", "released"]);
  assert.equal(sandboxes.servers().length, 1);
  other.release();
});

Deno.test("a newer deployment under the same id takes the older one's place, not the other way", async () => {
  await using world = await open();
  const { sandboxes, paid } = world;
  paid.set("old" as CidText, 1);
  (await call(sandboxes, deployment("old"))).release();
  const lease = await call(sandboxes, deployment("new"));
  paid.set("new" as CidText, 2);
  await world.until("old ended");
  world.events.length = 0;
  (await call(sandboxes, deployment("old"))).release();
  assert.deepEqual(sandboxes.servers().map(({ deployment: { cid } }) => cid), ["new", "old"]);
  assert.ok(!world.events.includes("new ended"));
  lease.release();
});

Deno.test("another owner's deployment under the same id is its own", async () => {
  await using world = await open();
  const { sandboxes, paid } = world;
  paid.set("old" as CidText, 1);
  const lease = await call(sandboxes, deployment("old"));
  const owner = `0x${"77".repeat(20)}` as const;
  const other = await call(sandboxes, deployment("new", { owner }));
  assert.equal(sandboxes.open(), 2);
  lease.release();
  other.release();
});

Deno.test("why a server does not start is remembered for its owner, until it does", async () => {
  await using world = await open("#!/bin/sh\n[ -e /app/ok ] || exit 3\n");
  const { sandboxes } = world;
  const broken = deployment("broken");
  assert.equal(sandboxes.refusal(broken.cid), null);
  await assert.rejects(call(sandboxes, broken), { code: "program_failed" });
  assert.match(sandboxes.refusal(broken.cid)!.message, /it exited with 3/);
  assert.equal(await world.socketsLeft(), 0);
});

Deno.test("why a server does not start is not forgotten once nobody has called for a while", async () => {
  await using world = await open("#!/bin/sh\nexit 3\n");
  const { sandboxes, events } = world;
  const broken = deployment("broken");
  await assert.rejects(call(sandboxes, broken), { code: "program_failed" });
  await pause(3 * IDLE_MS);
  assert.equal(sandboxes.open(), 1);
  await assert.rejects(sandboxes.acquire(broken), { code: "program_failed", retryAfterSeconds: 1 });
  assert.deepEqual(events, ["broken failed"]);
});

Deno.test("a lease starts nothing before its place is asked for", async () => {
  await using world = await open();
  const lease = await world.sandboxes.acquire(deployment("one"));
  assert.deepEqual(world.sandboxes.servers().map(({ view }) => view.instances), [[]]);
  await lease.take();
  assert.deepEqual(world.events, ["one started"]);
  lease.release();
});

Deno.test("the end of all ends servers in the midst of a request", async () => {
  const world = await open();
  await call(world.sandboxes, deployment("one"));
  await world[Symbol.asyncDispose]();
  assert.deepEqual(world.events.slice(-2), ["one ended", "released"]);
  assert.equal(world.held.size, 0);
});

import assert from "node:assert/strict";
import { EGRESS } from "../../../worlds/routes.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { OWNER_PROGRAM_STARTS_MAX, STRANGER_PROGRAM_STARTS_MAX } from "../../limits.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { type ErrorCode, KhachapuriError } from "../../errors.ts";
import { InstanceBudget } from "../server/instance_budget.ts";
import { StartGate } from "../server/start_gate.ts";
import { sandboxOf } from "./interface/interface.ts";
import { Sandboxes } from "./sandboxes.ts";
import { turn } from "../../../worlds/turns.ts";

const IDLE_MS = 50;
/** Of programs that are no servers. */
const NO_SOCKETS = { take: () => Promise.reject(new Error("no server")) };

/**
 * Sandboxes whose programs are empty folders; tells which of them were given back.
 * @param before called before a program is opened: throws to fail it
 */
async function open(openMax: number, before: () => unknown = () => {}, idleMs = IDLE_MS) {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  let gone = 0;
  let noticed = Promise.withResolvers<void>();
  const sandboxes = new Sandboxes({
    host: { launcher: "bwrap", runUid: Deno.uid() === 0 ? 1_800_000_000 : null },
    programs: {
      async acquire() {
        await before();
        return {
          path: dir,
          release() {
            gone += 1;
            noticed.resolve();
          },
        };
      },
    },
    isPaying: () => false,
    limits: { timeoutMs: 1_000, memoryMb: 64, credits: 1, responseBytes: 1_000 },
    egress: EGRESS,
    noteEgress: () => {},
    servers: {
      budget: new InstanceBudget(1),
      starts: new StartGate(),
      idleMs: IDLE_MS,
      sockets: NO_SOCKETS,
    },
    noteServer: () => {},
    firstPaid: () => null,
    idleMs,
    openMax,
  });
  return {
    sandboxes,
    gone: () => gone,
    /** Resolves when the next one has gone. */
    async nextGone(): Promise<void> {
      await noticed.promise;
      noticed = Promise.withResolvers();
    },
    async [Symbol.asyncDispose]() {
      await sandboxes.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

async function deployment(cid: string): Promise<Deployment> {
  const spec = await sampleSpec();
  return { cid: cid as CidText, spec, entry: spec.providers[0]! };
}

Deno.test("a sandbox goes once it has been idle, not while it is used", async () => {
  await using world = await open(4);
  const { sandboxes } = world;
  const idle = await sandboxes.acquire(await deployment("bafyidle"));
  const used = await sandboxes.acquire(await deployment("bafyused"));
  (await sandboxes.acquire(await deployment("bafyused"))).release();
  idle.release();
  idle.release();
  await world.nextGone();
  assert.equal(sandboxes.open(), 1);
  assert.equal(world.gone(), 1);
  used.release();
  await world.nextGone();
  assert.equal(sandboxes.open(), 0);
});

Deno.test("a sandbox that is used again stays, and goes when that is over", async () => {
  await using world = await open(4);
  const { sandboxes } = world;
  const wanted = await deployment("bafywanted");
  const started = performance.now();
  let calls = 0;
  // Each call comes well before the one before is idle for long.
  while (performance.now() - started < 3 * IDLE_MS) {
    const { take, release } = await sandboxes.acquire(wanted);
    const place = await take();
    await (await sandboxOf(place).run({ argv: ["none"], env: {}, stdin: null })).record;
    release();
    calls += 1;
  }
  assert.equal(world.gone(), 0, `gone between two of ${calls} calls`);
  await world.nextGone();
  assert.equal(sandboxes.open(), 0);
});

Deno.test("a sandbox that no name leads to any more goes with the last call that it has", async () => {
  await using world = await open(4);
  const { sandboxes } = world;
  const [left, quiet] = [await deployment("bafyleft"), await deployment("bafyquiet")];
  const calls = [await sandboxes.acquire(left), await sandboxes.acquire(left)];
  sandboxes.retire(left.cid);
  sandboxes.retire("bafynobody" as CidText);
  calls[0]!.release();
  // By its cid it is called as before, and what it has of calls goes on in it.
  const more = await sandboxes.acquire(left);
  calls[1]!.release();
  assert.deepEqual([sandboxes.isOpen(left.cid), world.gone()], [true, 0]);
  more.release();
  assert.equal(sandboxes.isOpen(left.cid), false, "it is not kept until it was idle for long");
  await world.nextGone();
  (await sandboxes.acquire(quiet)).release();
  sandboxes.retire(quiet.cid);
  assert.equal(sandboxes.isOpen(quiet.cid), false);
  await world.nextGone();
  (await sandboxes.acquire(left)).release();
  assert.equal(sandboxes.isOpen(left.cid), true, "whoever calls it again may");
});

Deno.test("no more stay open than may be", async () => {
  await using world = await open(2);
  const { sandboxes } = world;
  for (const cid of ["bafyone", "bafytwo", "bafythree"]) {
    (await sandboxes.acquire(await deployment(cid))).release();
  }
  await world.nextGone();
  assert.ok(sandboxes.open() <= 2);
});

Deno.test("callers who go round more deployments than may be open find most of them open", async () => {
  let opened = 0;
  await using world = await open(10, () => void opened++, 60_000);
  const all = await Promise.all(
    Array.from({ length: 15 }, (_, index) => deployment(`bafy${index}`)),
  );
  const round = async () => {
    const before = opened;
    for (const one of all) {
      (await world.sandboxes.acquire(one)).release();
      assert.ok(world.sandboxes.open() <= 10);
    }
    return opened - before;
  };
  assert.equal(await round(), 15);
  for (let nth = 0; nth < 3; nth++) {
    const now = await round();
    assert.ok(now <= 7, `${now} of 15 were opened again: nine stay, as much as there is room for`);
  }
});

Deno.test("what a call is in is not closed to make room", async () => {
  await using world = await open(2, () => {}, 60_000);
  const used = await Promise.all(
    ["one", "two"].map(async (name) =>
      await world.sandboxes.acquire(await deployment(`bafy${name}`))
    ),
  );
  (await world.sandboxes.acquire(await deployment("bafythree"))).release();
  assert.equal(used.some(({ isExpelled }) => isExpelled()), false);
  assert.deepEqual(
    ["one", "two"].map((name) => world.sandboxes.isOpen(`bafy${name}` as CidText)),
    [true, true],
  );
  for (const { release } of used) release();
});

Deno.test("strangers' programs being fetched leave room for owners that were paid, and others wait", async () => {
  let fetching = 0;
  const paying = `0x${"99".repeat(20)}`;
  const sandboxes = new Sandboxes({
    host: { launcher: "bwrap", runUid: null },
    programs: {
      acquire() {
        fetching += 1;
        return new Promise(() => {});
      },
    },
    isPaying: (owner) => owner === paying,
    limits: { timeoutMs: 1_000, memoryMb: 64, credits: 1, responseBytes: 1_000 },
    egress: EGRESS,
    noteEgress: () => {},
    servers: {
      budget: new InstanceBudget(1),
      starts: new StartGate(),
      idleMs: IDLE_MS,
      sockets: NO_SOCKETS,
    },
    noteServer: () => {},
    firstPaid: () => null,
    idleMs: IDLE_MS,
    openMax: 100,
  });
  const start = async (index: number, owner: string) => {
    const { spec, ...known } = await deployment(`bafy${owner}${index}`);
    const own = { ...known, spec: { ...spec, owner: owner as Address } };
    sandboxes.acquire(own, caller).catch((error) => refused.push(error.message));
  };
  const refused: string[] = [];
  const callers = new Set<() => void>();
  const caller = { whenGone: (leave: (() => void) | null) => void (leave && callers.add(leave)) };
  for (let index = 0; index < STRANGER_PROGRAM_STARTS_MAX + 1; index++) {
    await start(index, `0x${String(index).padStart(40, "0")}`);
  }
  for (let index = 0; index < OWNER_PROGRAM_STARTS_MAX + 1; index++) await start(index, paying);
  await turn();
  assert.deepEqual([fetching, refused], [
    STRANGER_PROGRAM_STARTS_MAX + OWNER_PROGRAM_STARTS_MAX,
    [],
  ]);
  for (const leave of callers) leave();
  await turn();
  const left = "the caller hung up before the program started";
  assert.deepEqual(refused, [left, left], "what nobody waits for is not begun");
  assert.equal(sandboxes.open(), STRANGER_PROGRAM_STARTS_MAX + OWNER_PROGRAM_STARTS_MAX);
});

Deno.test("starts that wait for their turn close nobody else's sandbox", async () => {
  const unpacked = Promise.withResolvers<void>();
  let fetching = 0;
  const before = () => ++fetching > 1 ? unpacked.promise : undefined;
  await using world = await open(OWNER_PROGRAM_STARTS_MAX + 1, before, 60_000);
  const { sandboxes } = world;
  const idle = await deployment("bafyidle");
  (await sandboxes.acquire(idle)).release();
  const owner: Address = `0x${"99".repeat(20)}`;
  const start = async (index: number) => {
    const { spec, ...known } = await deployment(`bafy${index}`);
    return await sandboxes.acquire({ ...known, spec: { ...spec, owner } });
  };
  const starts = Array.from({ length: OWNER_PROGRAM_STARTS_MAX + 3 }, (_, index) => start(index));
  await turn();
  assert.equal(fetching, 1 + OWNER_PROGRAM_STARTS_MAX);
  assert.ok(sandboxes.isOpen(idle.cid), "there is room for it beside all that are begun");
  unpacked.resolve();
  const leases = await Promise.all(starts);
  assert.ok(!sandboxes.isOpen(idle.cid), "it makes room for what is begun");
  for (const { release } of leases) release();
});

Deno.test("what was used again a moment ago is not the longest idle", async () => {
  await using world = await open(2);
  const { sandboxes } = world;
  for (const cid of ["bafyone", "bafytwo", "bafyone", "bafythree"]) {
    (await sandboxes.acquire(await deployment(cid))).release();
  }
  const are = ["bafyone", "bafytwo", "bafythree"].map((cid) => sandboxes.isOpen(cid as CidText));
  assert.deepEqual(are, [true, false, true]);
});

Deno.test("why a program cannot run is remembered for its owner, until it can", async () => {
  let code: ErrorCode | null = "invalid_program";
  await using world = await open(4, () => {
    if (code !== null) throw new KhachapuriError(code, `because of ${code}`);
  });
  const { sandboxes } = world;
  const broken = await deployment("bafybroken");
  const told = () => sandboxes.refusal(broken.cid)?.message ?? null;
  assert.equal(told(), null);
  await assert.rejects(sandboxes.acquire(broken), { code: "invalid_program" });
  assert.equal(told(), "because of invalid_program");
  assert.equal(sandboxes.refusal((await deployment("bafyother")).cid), null);
  code = "ipfs_unavailable";
  await assert.rejects(sandboxes.acquire(broken), { code });
  assert.equal(told(), "because of invalid_program", "what is no fault of the program is not kept");
  code = null;
  (await sandboxes.acquire(broken)).release();
  assert.equal(told(), null);
});

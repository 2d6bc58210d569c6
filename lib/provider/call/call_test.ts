import assert from "node:assert/strict";
import {
  type CallOptions,
  type CallWorld,
  CID,
  openCallWorld,
  PAYER,
  type Stage,
} from "../../../worlds/calls.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Payer } from "../http/target.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import { handleCall } from "./handle.ts";
import type { Claim } from "./idempotency.ts";

const overloaded = () => {
  throw new KhachapuriError("overloaded", "not now");
};
const CLAIM: Claim = { store: () => Promise.resolve(), end: () => Promise.resolve() };

/** A call whose run has begun. */
async function begin(world: CallWorld, options: CallOptions = {}, claim: Claim | null = null) {
  const call = await world.open(options);
  const { run } = await call.start(call.bill, claim);
  return { call, run };
}

/** Every stage that can refuse, and how a credit that was held by then has to end. */
const STAGES: readonly [Stage, string[][]][] = [
  ["deployment", []],
  ["read", []],
  ["admit", []],
  ["acquire", []],
  ["slot", []],
  ["hold", []],
  ["run", [["released overloaded"]]],
];

for (const [stage, endings] of STAGES) {
  Deno.test(`a call that is refused at "${stage}" has given back all that it took`, async () => {
    // One run at a time, and one credit of the owner's a minute: nothing may stay taken.
    const limits = { timeoutMs: 1_000, memoryMb: 64, concurrency: 1, ownerCreditsPerMinute: 1 };
    using world = await openCallWorld({ spec: { limits }, concurrency: 1 });
    world.before[stage] = overloaded;
    await assert.rejects(world.call(), { code: "overloaded" });
    assert.deepEqual(world.endings(), endings);
    await world.assertNothingTaken();
    delete world.before[stage];
    assert.equal(await (await world.call()).text(), "hello\n");
  });
}

Deno.test("a name is told of a call by it once its run has begun, and not before", async () => {
  using world = await openCallWorld();
  const told: Payer[] = [];
  const onPaid = (payer: Payer) => void told.push(payer);
  const target = { form: "path", cid: CID, mount: "/blog.eth", path: "/", onPaid } as const;
  for (const [stage] of STAGES) {
    world.before[stage] = overloaded;
    await assert.rejects(handleCall(world.parts, target, world.request()), { code: "overloaded" });
    delete world.before[stage];
  }
  assert.deepEqual(told, []);
  await handleCall(world.parts, target, world.request());
  assert.deepEqual(told.map(({ source }) => source), ["owner"]);
});

Deno.test("a run that does not start gives back what was taken for it, whoever asked", async () => {
  for (const stage of ["slot", "hold", "run"] as const) {
    using world = await openCallWorld();
    world.before[stage] = overloaded;
    const call = await world.open();
    await assert.rejects(call.start(call.bill, null), { code: "overloaded" });
    await world.assertNothingTaken();
  }
});

Deno.test("no slot is held while a program is fetched, as one that nobody has takes long", async () => {
  using world = await openCallWorld();
  world.before.acquire = () => assert.equal(world.parts.gate.slots.busy(), 0);
  assert.equal((await world.call()).status, 200);
});

Deno.test("what we did not foresee while a run starts releases its credit as internal", async () => {
  using world = await openCallWorld();
  world.before.run = () => {
    throw new TypeError("not foreseen");
  };
  await assert.rejects(world.call(), /not foreseen/);
  assert.deepEqual(world.endings(), [["released internal"]]);
  await world.assertNothingTaken();
});

Deno.test("a request that no program can be given costs nothing", async () => {
  using world = await openCallWorld();
  await assert.rejects(world.call({ path: "/a%00b" }), { code: "invalid_input" });
  assert.deepEqual(world.endings(), []);
  await world.assertNothingTaken();
});

Deno.test("what was taken is given back after a run, and once however often it is asked", async () => {
  using world = await openCallWorld();
  world.program = () => {};
  const { call } = await begin(world);
  const { call: other } = await begin(world);
  call.release();
  call.release();
  assert.equal(world.parts.gate.slots.busy(), 1, "the other call's slot is gone");
  other.release();
  assert.equal(world.parts.gate.slots.busy(), 0);
});

Deno.test("a caller that goes while its program is fetched pays nothing", async () => {
  using world = await openCallWorld();
  const caller = new AbortController();
  world.isOpen = false;
  world.before.acquire = () => caller.abort();
  const call = world.call({ signal: caller.signal });
  await assert.rejects(call, { code: "invalid_input", message: /hung up/ });
  assert.deepEqual(world.endings(), []);
  await world.assertNothingTaken();
});

Deno.test("a caller that goes while its credit is taken gets it back", async () => {
  using world = await openCallWorld();
  const caller = new AbortController();
  world.isOpen = false;
  world.before.hold = () => caller.abort();
  let hasRun = false;
  world.program = () => hasRun = true;
  const call = world.call({ signal: caller.signal });
  await assert.rejects(call, { code: "invalid_input", message: /hung up/ });
  assert.deepEqual(world.endings(), [["released invalid_input"]]);
  assert.equal(hasRun, false);
  await world.assertNothingTaken();
});

Deno.test("a caller that goes while the run starts ends it as soon as it is there", async () => {
  using world = await openCallWorld();
  const caller = new AbortController();
  world.isOpen = false;
  world.before.run = () => caller.abort();
  world.program = () => {};
  const started = world.nextRun();
  const { call } = await begin(world, { signal: caller.signal });
  await (await started).killed;
  assert.ok(call.isKilled());
  call.release();
});

Deno.test("a caller that goes during a run ends it, but not when its answer is kept", async () => {
  for (const claim of [null, CLAIM]) {
    using world = await openCallWorld();
    const caller = new AbortController();
    world.isOpen = false;
    world.program = () => {};
    const { call, run } = await begin(world, { signal: caller.signal }, claim);
    caller.abort();
    assert.equal(call.isKilled(), claim === null);
    assert.equal(run.isComplete(), claim === null);
    call.release();
  }
});

Deno.test("a run can be ended at any time, and one that nobody ended is not", async () => {
  using world = await openCallWorld();
  world.program = () => {};
  const started = world.nextRun();
  const { call } = await begin(world);
  assert.ok(!call.isKilled());
  call.kill();
  await (await started).killed;
  assert.ok(call.isKilled());
  call.release();
});

Deno.test("nobody looks after the caller of a call that is over", async () => {
  using world = await openCallWorld();
  const caller = new AbortController();
  world.isOpen = false;
  world.program = () => {};
  const { call } = await begin(world, { signal: caller.signal });
  call.release();
  caller.abort();
  assert.ok(!call.isKilled());
});

Deno.test("schemes are asked in order, and the first that the request pays in takes it", async () => {
  using world = await openCallWorld();
  const [counting] = world.parts.money.schemes as [PaymentScheme];
  const asked: string[] = [];
  const never: PaymentScheme = {
    ...counting,
    read() {
      asked.push("never");
      return null;
    },
  };
  const last: PaymentScheme = {
    ...counting,
    read(deployment, headers) {
      asked.push("last");
      return counting.read(deployment, headers);
    },
  };
  world.parts.money.schemes = [never, counting, last];
  const call = await world.open({ lane: "lane" });
  assert.equal(call.scheme, counting);
  assert.deepEqual(call.bill, { source: "caller", payer: PAYER, cid: CID, scope: "lane" });
  assert.deepEqual(asked, ["never"]);
  call.release();
  world.parts.money.schemes = [never];
  await assert.rejects(world.open(), { code: "payment_required" });
  await world.assertNothingTaken();
});

Deno.test("what was admitted is what is held", async () => {
  using world = await openCallWorld();
  const [counting] = world.parts.money.schemes as [PaymentScheme];
  const admission = { what: "was admitted" };
  const held: unknown[] = [];
  world.parts.money.schemes = [{
    ...counting,
    admit: () => Promise.resolve(admission),
    hold(admitted) {
      held.push(admitted);
      return counting.hold({ source: "owner" });
    },
  }];
  await (await world.call()).text();
  assert.deepEqual(held, [admission]);
});

Deno.test("a deployment is registered once a call to it has a credit, and not before", async () => {
  using world = await openCallWorld();
  const { registrations } = world.records;
  world.before.hold = overloaded;
  await assert.rejects(world.call());
  assert.equal(registrations.isKnown(CID), false);
  delete world.before.hold;
  await (await world.call()).text();
  assert.equal(registrations.isKnown(CID), true);
});

Deno.test("a program gets its own command, and the request as its caller sees it", async () => {
  const program = {
    cid: "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
    entrypoint: "./serve",
    args: ["--own"],
  };
  using world = await openCallWorld({ spec: { program, env: { SECRET: "s" } } });
  for (const form of ["path", "host", "path"] as const) {
    const started = world.nextRun();
    const headers = { "x-own": "1", "payment-signature": "bearer secret" };
    await (await world.call({ form, path: "/a/b?c=d", headers })).text();
    const { argv, env } = (await started).request;
    const host = form === "path" ? "provider.test" : `${CID}.provider.test`;
    const mount = form === "path" ? `/${CID}` : "";
    assert.deepEqual(argv.slice(0, 2), ["./serve", "--own"]);
    assert.equal(argv.at(-1), `https://${host}${mount}/a/b?c=d`);
    const { SECRET, SCRIPT_NAME, PATH_INFO, QUERY_STRING, SERVER_NAME, REMOTE_ADDR } = env;
    assert.deepEqual(
      [SECRET, SCRIPT_NAME, PATH_INFO, QUERY_STRING, SERVER_NAME, REMOTE_ADDR],
      ["s", mount, "/a/b", "c=d", host, "192.0.2.7"],
    );
    assert.equal(env.HTTP_X_OWN, "1");
    assert.ok(!JSON.stringify([argv, env]).includes("bearer secret"));
  }
});

Deno.test("a program reads the caller's body, or end of file where there is none", async () => {
  using world = await openCallWorld();
  world.program = async (run) => {
    run.print(run.request.stdin ? await run.stdin : "none");
    run.exit();
  };
  assert.equal(await (await world.call({ method: "POST", body: "data" })).text(), "data");
  assert.equal(await (await world.call()).text(), "none");
});

Deno.test("a program is told whether there is a body", async () => {
  using world = await openCallWorld();
  for (const body of [undefined, "data"]) {
    const started = world.nextRun();
    await (await world.call({ method: "POST", ...(body === undefined ? {} : { body }) })).text();
    const { argv } = (await started).request;
    assert.equal(argv.includes("--data-binary"), body !== undefined);
  }
});

Deno.test("an owner's body that its program does not read is let go", async () => {
  using world = await openCallWorld();
  const gone = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({ cancel: () => gone.resolve() });
  await (await world.call({ method: "POST", body })).text();
  await gone.promise;
});

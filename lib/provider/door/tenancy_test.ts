/** A provider whose place another one takes; both in one process, on a chain in memory. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { takeAndDie } from "../../../worlds/dying_successor.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { migrateQueues } from "../../../worlds/migrating_queues.ts";
import { openProviderHome, type ProviderHome } from "../../../worlds/provider_home.ts";
import { sampleSpec } from "../../../worlds/spec/sample_spec.ts";
import { deploymentLane } from "../../permit.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Slots } from "../call/slots.ts";
import type { Slot } from "../call/taken_slot.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { holderOf, LOCK_FILE } from "./lock.ts";
import { startProvider } from "./serve.ts";
import type { Tenancy } from "./tenancy.ts";

/** Nothing settles by itself within a test. */
const BATCH = { settlement: { mode: "batch", intervalSeconds: 360 } };
const OWNER = ACCOUNTS.owner.address;

async function start(home: ProviderHome, isSuccessor: boolean, settings = {}) {
  const { log, ...heard } = hearLog();
  const config = home.config({ ...BATCH, ...settings });
  const provider = await startProvider(config, { log, graceMs: 10_000, isSuccessor });
  return { provider, ...heard };
}

await migrateQueues();

const stateNames = async ({ dir }: ProviderHome) =>
  (await Array.fromAsync(Deno.readDir(join(dir, "state")))).map(({ name }) => name).sort();

Deno.test("a successor takes the place of a provider, whose run under way is charged", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const slow = await home.deploy("echo begun; sleep 1; echo done");
  const quick = await home.deploy("echo hello");
  const first = await start(home, false);
  const { url } = first.provider;
  const running = await fetch(`${url}/${slow.cid}`);
  const second = await start(home, true);
  assert.equal(second.provider.url, url, "where the first listens");
  assert.equal(await (await fetch(`${url}/${quick.cid}`)).text(), "hello\n");
  assert.equal(await running.text(), "begun\ndone\n");
  await first.provider.replaced;
  assert.equal(await holderOf(join(home.dir, "state", "book", LOCK_FILE)), url);
  await second.provider.stop();
  assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(slow.spec.id)), 1n);
  assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(quick.spec.id)), 1n);
  const names = await stateNames(home);
  assert.deepEqual(names.filter((name) => /^(programs|etc|sockets)$/.test(name)), []);
});

/** Longer than any test may take. */
const FOR_EVER = { drainSeconds: 300 };

Deno.test("one that drains says so, and serves what comes until its time is over", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const { cid } = await home.deploy("echo hello");
  const { provider, logged } = await start(home, false, { drainSeconds: 1 });
  const drains = logged("draining");
  const begun = performance.now();
  const stopped = provider.stop();
  await drains;
  const ready = await fetch(`${provider.url}/readyz`);
  assert.deepEqual([ready.status, await ready.json()], [503, { ready: false, state: "draining" }]);
  assert.equal(await (await fetch(`${provider.url}/${cid}`)).text(), "hello\n");
  await stopped;
  assert.ok(performance.now() - begun >= 1_000);
  await assert.rejects(fetch(provider.url));
});

Deno.test("who was followed drains no more, and who fails has nothing to wait for", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const slow = await home.deploy("echo begun; sleep 1; echo done");
  const first = await start(home, false, FOR_EVER);
  const running = await fetch(`${first.provider.url}/${slow.cid}`);
  const second = await start(home, true, FOR_EVER);
  await first.provider.stop();
  assert.equal(await running.text(), "begun\ndone\n");
  const stopped = second.provider.stop();
  (second.provider as Tenancy).fail(new KhachapuriError("internal", "the disk is gone"));
  await stopped;
});

const bookOf = ({ dir }: ProviderHome) => join(dir, "state", "book");

Deno.test("who dies with the books in its hands leaves them to the provider before", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const slow = await home.deploy("echo begun; sleep 2; echo done");
  const quick = await home.deploy("echo hello");
  const { provider, lines } = await start(home, false);
  const running = await fetch(`${provider.url}/${slow.cid}`);
  await takeAndDie(bookOf(home));
  assert.equal(await (await fetch(`${provider.url}/${quick.cid}`)).text(), "hello\n");
  assert.equal(await running.text(), "begun\ndone\n");
  assert(lines.some((line) => line.includes("taking the books back")));
  const again = await start(home, true);
  assert.equal(await (await fetch(`${provider.url}/${quick.cid}`)).text(), "hello\n");
  await provider.replaced;
  await again.provider.stop();
  assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(slow.spec.id)), 1n);
  assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(quick.spec.id)), 2n);
});

/** Resolves when it was looked a third time whether the last call has ended. */
function lookedOn(slots: Pick<Slots, "calls">): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { calls } = slots;
  let looks = 0;
  slots.calls = () => {
    looks += 1;
    if (looks === 3) resolve("looked on");
    return calls.call(slots);
  };
  return promise;
}

Deno.test("a call that waits for an instance, and whose caller has gone, keeps its provider going", async () => {
  await using home = await openProviderHome();
  const { provider } = await start(home, false);
  const { slots } = (provider as Tenancy).open.parts.gate;
  const slot = slots.take({ spec: await sampleSpec() } as Deployment, {
    source: "caller",
    payer: OWNER,
  }) as Slot;
  slot.stepAside();
  const looked = lookedOn(slots);
  const next = await start(home, true);
  const over = provider.replaced.then(() => "over");
  assert.equal(await Promise.race([looked, over]), "looked on");
  slot.undo();
  assert.equal(await over, "over");
  await next.provider.stop();
});

Deno.test("who fails as it hands over can only be begun anew, and does not serve on half its books", async () => {
  await using home = await openProviderHome();
  for (const step of ["retire", "handOver"] as const) {
    const { provider } = await start(home, false);
    const { estate } = (provider as Tenancy).open;
    Object.assign(estate, { [step]: () => Promise.reject(new Error("the disk is gone")) });
    await assert.rejects(start(home, true), { code: "provider_unavailable" });
    assert.match((await provider.failed).message, /the disk is gone/);
    await provider.stop();
  }
});

Deno.test("a successor that cannot serve changes nothing", async () => {
  await using home = await openProviderHome();
  const { provider, lines } = await start(home, false);
  await assert.rejects(start(home, true, { terms: ["absent.txt"] }));
  const lock = { code: "access_denied", message: /another provider uses/ };
  await assert.rejects(start(home, false), lock);
  const later = new DatabaseSync(join(bookOf(home), "answers.db"));
  later.exec("PRAGMA user_version = 99");
  const version = { code: "invalid_config", message: /answers.db was kept by a later release/ };
  await assert.rejects(start(home, true), version);
  later.exec("PRAGMA user_version = 1");
  later.close();
  assert.equal((await fetch(provider.url)).status, 200);
  assert(!lines.some((line) => line.includes("handing over")));
  await provider.stop();
});

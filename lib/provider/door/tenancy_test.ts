/** A provider whose place another one takes; both in one process, on a chain in memory. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { openProviderHome, type ProviderHome } from "../../../worlds/provider_home.ts";
import { deploymentLane } from "../../permit.ts";
import { holderOf, LOCK_FILE } from "./lock.ts";
import { startProvider } from "./serve.ts";

/** Nothing settles by itself within a test. */
const BATCH = { settlement: { mode: "batch", intervalSeconds: 360 } };
const OWNER = ACCOUNTS.owner.address;

async function start(home: ProviderHome, isSuccessor: boolean, settings = {}) {
  const { log, ...heard } = hearLog();
  const config = home.config({ ...BATCH, ...settings });
  const provider = await startProvider(config, { log, graceMs: 10_000, isSuccessor });
  return { provider, ...heard };
}

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

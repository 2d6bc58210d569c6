/** A whole provider, its sandbox included, on a chain in memory. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ACCOUNTS } from "../../../worlds/chain/people.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { openProviderHome, type ProviderHome } from "../../../worlds/provider_home.ts";
import { emptyConfig } from "../../config.ts";
import { deploymentLane } from "../../permit.ts";
import { holderOf, LOCK_FILE } from "./lock.ts";
import { startProvider } from "./serve.ts";

/** Nothing settles by itself within a test. */
const BATCH = { settlement: { mode: "batch", intervalSeconds: 360 } };
const OWNER = ACCOUNTS.owner.address;

const lockPath = ({ dir }: ProviderHome) => join(dir, "state", "book", LOCK_FILE);

async function start(home: ProviderHome, settings = {}, graceMs = 10_000) {
  const { log, ...heard } = hearLog();
  const provider = await startProvider(home.config({ ...BATCH, ...settings }), { log, graceMs });
  return { provider, ...heard };
}

Deno.test("a provider says where it serves, and after its end it does not", async () => {
  await using home = await openProviderHome();
  const { provider, lines } = await start(home);
  assert.equal(await holderOf(lockPath(home)), provider.url);
  const { name } = await (await fetch(provider.url)).json();
  assert.equal(name, "provider.test");
  const serving = lines.map((line) => JSON.parse(line)).find(({ message }) =>
    message === "serving"
  );
  assert.deepEqual([serving.url, serving.name], [provider.url, "provider.test"]);
  await provider.stop();
  assert.equal(await holderOf(lockPath(home)), null);
  await assert.rejects(fetch(provider.url));
});

Deno.test("a call is served, and charged on chain by the time that the provider has ended", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const { cid, spec } = await home.deploy("echo hello");
  const { provider } = await start(home);
  const response = await fetch(`${provider.url}/${cid}`);
  assert.deepEqual([response.status, await response.text()], [200, "hello\n"]);
  const lane = deploymentLane(spec.id);
  assert.equal(home.chain.fake.consumed(OWNER, lane), 0n);
  await provider.stop();
  assert.equal(home.chain.fake.consumed(OWNER, lane), 1n);
});

Deno.test("a program is told of its caller what a listed proxy says, and what nobody else does", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const { cid } = await home.deploy('echo "$REMOTE_ADDR $REQUEST_SCHEME $HTTP_X_FORWARDED_FOR"');
  const said = { "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http" };
  for (
    const [settings, told] of [
      [{ trustedProxies: ["127.0.0.0/8"] }, "203.0.113.7 http \n"],
      [{ trustedProxies: ["192.0.2.1"] }, "127.0.0.1 http \n"],
      // The scheme of its own URL, as nothing is known.
      [{}, "127.0.0.1 https \n"],
    ] as const
  ) {
    const { provider } = await start(home, settings);
    const response = await fetch(`${provider.url}/${cid}`, { headers: said });
    assert.equal(await response.text(), told);
    await provider.stop();
  }
});

Deno.test("a run that is under way ends within its grace, and its caller has the answer", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const { cid, spec } = await home.deploy("echo begun; sleep 0.1; echo done");
  const { provider } = await start(home);
  const response = await fetch(`${provider.url}/${cid}`);
  const stopped = provider.stop();
  assert.equal(await response.text(), "begun\ndone\n");
  await stopped;
  assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(spec.id)), 1n);
});

Deno.test("a run that goes on beyond its grace is ended, and costs nothing", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(OWNER, 1_000n, 100n);
  const { cid, spec } = await home.deploy("echo begun; sleep 60");
  const { provider } = await start(home, {}, 1);
  const response = await fetch(`${provider.url}/${cid}`);
  const cut = assert.rejects(response.text());
  await provider.stop();
  await cut;
  assert.equal(home.chain.fake.consumed(OWNER, deploymentLane(spec.id)), 0n);
});

Deno.test("a state directory is one provider's, and the second does the first no harm", async () => {
  await using home = await openProviderHome();
  const { provider } = await start(home);
  await assert.rejects(start(home), { code: "access_denied", message: /another provider uses/ });
  assert.equal((await fetch(`${provider.url}/healthz`)).status, 200);
  await provider.stop();
});

Deno.test("a provider that cannot listen lets go of all that it has opened", async () => {
  await using home = await openProviderHome();
  const { host } = new URL(home.gateway.url);
  await assert.rejects(start(home, { listen: host }), {
    code: "invalid_config",
    message: /somebody else has it/,
  });
  assert.equal(await holderOf(lockPath(home)), null);
  const { provider } = await start(home);
  await provider.stop();
});

Deno.test("a machine that is no provider's, or is not ready, does not serve", async () => {
  await using home = await openProviderHome();
  const { log } = hearLog();
  const nobody = startProvider(emptyConfig(home.dir), { log });
  await assert.rejects(nobody, { code: "invalid_config", message: /no provider section/ });
  home.chain.answers.isOperator = false;
  await assert.rejects(start(home), { code: "access_denied", message: /may not settle/ });
  assert.equal(await holderOf(lockPath(home)), null);
});

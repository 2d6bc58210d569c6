import assert from "node:assert/strict";
import { join } from "node:path";
import { startProvider } from "../lib/provider/door/serve.ts";
import { askControl } from "../lib/provider/control/control_client.ts";
import { takeAndDie } from "../worlds/dying_successor.ts";
import { freePort } from "../worlds/free_port.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { migrateQueues } from "../worlds/migrating_queues.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { say } from "../worlds/wire.ts";

/** Of a provider whose CA is out of reach. */
const acmeAt = (httpListen: string) => ({
  agreeToTerms: true,
  directory: `https://127.0.0.1:${freePort()}/dir`,
  httpListen,
});

Deno.test("a provider whose CA is out of reach serves nothing in plain, and says why", async () => {
  await using home = await openProviderHome();
  const acme = acmeAt("127.0.0.1:0");
  const { log, logged } = hearLog();
  const failed = logged("no certificate could be had");
  const provider = await startProvider(home.config({ acme }), { log });
  await failed;
  assert.match(provider.url, /^https:/);
  assert.doesNotMatch(await say(provider.url, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"), /HTTP/);
  const book = join(home.dir, "state", "book");
  const { done } = (await askControl(book, "certificate"))!;
  assert.match(JSON.stringify(done), /"certificate":null.*nothing listens there/);
  assert.deepEqual(await askControl(book, "settle"), { done: "0" });
  await assert.rejects(askControl(book, "renew-certificate"), { code: "no_certificate" });
  await provider.stop();
});

/** Asks port 80's listener what it says to whoever is no authority; null: nobody listens. */
async function sentOn(port: number): Promise<number | null> {
  const response = await fetch(`http://127.0.0.1:${port}/x`, { redirect: "manual" })
    .catch(() => null);
  await response?.body?.cancel();
  return response?.status ?? null;
}

Deno.test("a successor keeps the certificate from when the process before lets go of it", async () => {
  await migrateQueues();
  await using home = await openProviderHome();
  const port = freePort();
  const acme = acmeAt(`127.0.0.1:${port}`);
  const { log } = hearLog();
  const first = await startProvider(home.config({ acme }), { log });
  assert.equal(await sentOn(port), 308);
  const second = await startProvider(home.config({ acme }), { log, isSuccessor: true });
  await first.replaced;
  assert.equal(await sentOn(port), 308, "authorities are answered by the process that orders now");
  const book = join(home.dir, "state", "book");
  // One that is kept tries when it is asked to; what is not started never does.
  await assert.rejects(askControl(book, "renew-certificate"), { code: "no_certificate" });
  await second.stop();
  assert.equal(await sentOn(port), null);
});

Deno.test("a provider that takes its books back goes on keeping its certificate", async () => {
  await migrateQueues();
  await using home = await openProviderHome();
  const port = freePort();
  const acme = acmeAt(`127.0.0.1:${port}`);
  const { log, logged } = hearLog();
  const provider = await startProvider(home.config({ acme }), { log });
  // What it was before the books came back is closed in its own time.
  const isOver = logged("what was begun before the books came back has ended");
  await takeAndDie(join(home.dir, "state", "book"));
  await isOver;
  assert.equal(await sentOn(port), 308);
  await provider.stop();
  assert.equal(await sentOn(port), null);
});

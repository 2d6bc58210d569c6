import assert from "node:assert/strict";
import { join } from "node:path";
import { startProvider } from "../lib/provider/door/serve.ts";
import { askControl } from "../lib/provider/control/control_client.ts";
import { freePort } from "../worlds/free_port.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { say } from "../worlds/wire.ts";

Deno.test("a provider whose CA is out of reach serves nothing in plain, and says why", async () => {
  await using home = await openProviderHome();
  const acme = {
    agreeToTerms: true,
    directory: `https://127.0.0.1:${freePort()}/dir`,
    httpListen: "127.0.0.1:0",
  };
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

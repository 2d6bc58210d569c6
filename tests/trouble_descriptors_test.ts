/** A provider that has no descriptor left, as strangers hold connections, and gets them back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pause } from "../lib/pause.ts";
import { PERMISSIONS } from "../tools/permissions.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { openProviderHome } from "../worlds/provider_home.ts";

const MAIN = join(import.meta.dirname!, "..", "main.ts");
/** A start takes some sixty, a sandbox some ten more. */
const DESCRIPTORS = 128;
const CONNECTIONS = 200;

Deno.test("without descriptors a provider loses no call that it took, and serves again afterwards", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 1_000n);
  await home.write();
  const { cid } = await home.deploy("echo hello");
  const run = ["run", "--no-check", "--frozen", "--no-prompt", ...PERMISSIONS, MAIN];
  const script = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`;
  const process = new Deno.Command("sh", {
    args: ["-c", script, Deno.execPath(), ...run, "serve", "--home", home.dir],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const url = await listeningUrl(process.stdout);
  assert.equal(await (await fetch(`${url}/${cid}`)).text(), "hello\n");

  const held: Deno.Conn[] = [];
  for (let n = 0; n < CONNECTIONS; n++) {
    held.push(await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(url).port) }));
  }
  for (const connection of held) connection.close();

  const statuses: number[] = [];
  while (statuses.at(-1) !== 200) {
    const response = await fetch(`${url}/${cid}`).catch(() => null);
    if (response) {
      statuses.push(response.status);
      await response.body?.cancel();
    }
    await pause(100);
  }
  assert(statuses.every((status) => status === 200 || status === 503), String(statuses));
  process.kill("SIGTERM");
  assert.equal((await process.status).code, 0);
});

async function listeningUrl(stdout: ReadableStream<Uint8Array>): Promise<string> {
  const [own, rest] = stdout.tee();
  rest.cancel().catch(() => {});
  let head = "";
  for await (const text of own.pipeThrough(new TextDecoderStream())) {
    head += text;
    const [url] = /https?:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(head) ?? [];
    if (url) return url;
  }
  throw new Error(`it does not serve: ${head}`);
}

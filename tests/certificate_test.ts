/** A provider that speaks TLS by itself, whose certificate is renewed while it serves. */
import assert from "node:assert/strict";
import { certificateFiles } from "../worlds/certificate.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { type ChildProvider, startChildProvider } from "../worlds/child_provider.ts";
import { openProviderHome } from "../worlds/provider_home.ts";

/** Sends SIGHUP, and waits until the log says what came of it. */
async function hangUp({ pid, logged }: ChildProvider, message: string): Promise<void> {
  const said = logged(message);
  Deno.kill(pid, "SIGHUP");
  await said;
}

/** The name in the certificate that curl sees. */
async function shownName(url: string): Promise<string> {
  const { stderr } = await new Deno.Command("curl", {
    args: ["-sSkv", "-o", "/dev/null", url],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  return /subject: CN=(\S+)/.exec(new TextDecoder().decode(stderr))?.[1] ?? "none";
}

/** A curl whose upload goes on. */
function startUpload(url: string) {
  const args = ["20", "curl", "-sSkN", "-T", ".", url];
  const options = { args, stdin: "piped", stdout: "piped", stderr: "null" } as const;
  const child = new Deno.Command("timeout", options).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  return {
    read: async () => (await reader.read()).value,
    async end(text: string): Promise<void> {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(text));
      await writer.close();
    },
  };
}

Deno.test("SIGHUP has a renewed certificate used, and harms no call under way", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 100n);
  const { cid } = await home.deploy('echo "$REQUEST_SCHEME"; read -r line; echo "$line"');
  await using files = await certificateFiles("one.example");
  await home.write({ tls: { cert: files.cert, key: files.key }, webDomain: "http://p.test/" });
  const provider = await startChildProvider(home.dir);
  const url = (await provider.url)!;
  assert.equal(await shownName(url), "one.example");

  const call = startUpload(`${url}/${cid}`);
  assert.equal(await call.read(), "https\n");

  await files.renew("two.example");
  await hangUp(provider, "certificate renewed");
  assert.equal(await shownName(url), "two.example");
  await call.end("the rest\n");
  assert.equal(await call.read(), "the rest\n");
  assert.equal(await call.read(), undefined);

  await Deno.writeTextFile(files.cert, "no certificate");
  await hangUp(provider, "the new certificate cannot be used, the old one stays");
  assert.equal(await shownName(url), "two.example");
  assert.equal(await provider.stop(), 0);
});

Deno.test("SIGHUP does not end a provider that has no certificate", async () => {
  await using home = await openProviderHome();
  await home.write();
  const provider = await startChildProvider(home.dir);
  const url = (await provider.url)!;
  await hangUp(provider, "nothing is read anew: there is no certificate here");
  assert.equal((await fetch(`${url}/terms`)).status, 200);
  assert.equal(await provider.stop(), 0);
});

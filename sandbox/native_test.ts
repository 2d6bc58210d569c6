import assert from "node:assert/strict";
import { INIT_BASE64 } from "../.cache/init/init_base64.ts";
import { helperPath, prepareHost, spawnHelper } from "./native.ts";
import type { SandboxHost } from "./policy.ts";

const CARRIED = Uint8Array.fromBase64(INIT_BASE64);
const unavailable = { code: "sandbox_unavailable" };
const hostWith = (helperPath: string): SandboxHost => ({
  launcher: "bwrap",
  runUid: null,
  helperPath,
});

Deno.test("a helper that is missing or another version's gives way to the one we carry", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const old = `${dir}/old`;
    await Deno.writeTextFile(old, "of another version");
    for (const path of [old, `${dir}/new/helper`]) {
      assert.equal(await helperPath(hostWith(path)), path);
      assert.deepEqual(await Deno.readFile(path), CARRIED);
      assert.equal((await Deno.stat(path)).mode! & 0o111, 0o111, "it can be executed");
    }
    const names = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
    assert.deepEqual(names.sort(), ["new", "old"], "nothing else is left there");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a helper that cannot be put in its place is told", async () => {
  const file = await Deno.makeTempFile();
  await assert.rejects(helperPath(hostWith(`${file}/helper`)), unavailable);
  await Deno.remove(file);
});

Deno.test("a helper that cannot be started is told", () => {
  assert.throws(() => spawnHelper("/no/such/helper", ["prepare"]), unavailable);
});

Deno.test("the host is prepared once, and says why it has no cgroups when it has none", async () => {
  const host: SandboxHost = { launcher: "bwrap", runUid: null };
  const limits = await prepareHost(host);
  assert.equal(await prepareHost(host), limits);
  assert(limits.controllers >= 0 && limits.controllers <= 7 && limits.swept >= 0);
  assert.equal(limits.missing === "", limits.controllers !== 0);
  assert.equal(limits.choosesUid, Deno.uid() === 0);
  assert(limits.watches > 0);
});

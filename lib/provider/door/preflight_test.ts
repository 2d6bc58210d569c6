/** Without a chain; tests/doctor_test.ts breaks one part of a whole provider after another. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { parseConfig } from "../../config.ts";
import { KhachapuriError } from "../../errors.ts";
import { generateIdentity, writeKeyFile } from "../../spec/keys.ts";
import { termsHash } from "../../spec/terms.ts";
import { Findings } from "./findings.ts";
import { groundOf, preflight } from "./preflight.ts";

const PROVIDER = {
  name: "provider.test",
  address: `0x${"11".repeat(20)}`,
  webDomain: "http://provider.test",
  price: "1000",
  terms: ["new.txt", "old.txt"],
  stateDir: "state",
  keyFile: "keys.json",
};

async function withHome(work: (home: string) => Promise<void>): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    await Deno.chmod(home, 0o711);
    await work(home);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("one bad part hides no other, and what rests on it is left out", async () => {
  await withHome(async (home) => {
    const keysPath = join(home, "keys.json");
    await writeKeyFile(keysPath, { version: 1, identities: [await generateIdentity("x25519")] });
    for (const name of ["new.txt", "old.txt"]) await Deno.writeTextFile(join(home, name), name);
    const config = parseConfig({ provider: PROVIDER }, home);
    const { findings, seen } = await preflight({ config, keysPath });
    assert.deepEqual(findings.all.map(({ part, state }) => [part, state === "bad"]), [
      ["keys", false],
      ["chain", true],
      ["gateway", true],
      ["sandbox", false],
      ["state", false],
      ["terms", false],
    ]);
    const hashes = ["new.txt", "old.txt"].map((text) => termsHash(new TextEncoder().encode(text)));
    assert.deepEqual([...seen.terms!.keys()], hashes, "newest first");
    assert.equal(seen.connected, null);
    assert.throws(() => groundOf({ findings, seen }), { message: "no chain is configured" });
  });
});

Deno.test("who only pays needs no gateway, and is asked for no provider", async () => {
  await withHome(async (home) => {
    const config = parseConfig({}, home);
    const { findings } = await preflight({ config, keysPath: join(home, "keys.json") });
    const states = findings.all.map(({ part, state }) => [part, state]);
    assert.deepEqual(states, [["keys", "bad"], ["chain", "bad"], ["gateway", "doubtful"]]);
  });
});

Deno.test("the first bad part is the reason why a provider does not start", async () => {
  const findings = new Findings();
  for (const message of ["first", "second"]) {
    await findings.look(message, () => Promise.reject(new KhachapuriError("usage", message)));
  }
  const seen = { keys: null, connected: null, sandbox: null, terms: null, account: null };
  assert.throws(() => groundOf({ findings, seen }), { message: "first" });
});

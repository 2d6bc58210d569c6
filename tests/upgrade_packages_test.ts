/** Two real packages: the one is upgraded to the other while it serves, and goes back. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { previousOf } from "../lib/release/installed_file.ts";
import { buildPackage } from "../tools/package.ts";
import { freePort } from "../worlds/free_port.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { serveProgram } from "../worlds/served_program.ts";
import { newSigningKey, signPackage } from "../worlds/signed_release.ts";

/** The same package as a later release: its stub says so, which is signed and in no digest. */
function laterRelease(bytes: Uint8Array, version: string): Uint8Array {
  const later = bytes.slice();
  later.set(new TextEncoder().encode(version), "#!/bin/sh\n# Khachapuri ".length);
  return later;
}

Deno.test("a package is upgraded to another while it serves, and goes back", async () => {
  await using home = await openProviderHome();
  const listen = `127.0.0.1:${freePort()}`;
  await home.write({ listen });
  const file = join(home.dir, "khachapuri");
  await buildPackage(file);
  const fetched = join(home.dir, "fetched");
  const later = laterRelease(await Deno.readFile(file), "0.1.1");
  const key = newSigningKey();
  await Deno.writeFile(fetched, later);
  await Deno.writeTextFile(`${fetched}.minisig`, signPackage(later, key, { version: "0.1.1" }));
  const env = { XDG_CACHE_HOME: join(home.dir, "cache"), NO_COLOR: "1" };
  const upgrade = async (...args: string[]) => {
    const { code, stderr } = await new Deno.Command(file, {
      args: ["upgrade", "--home", home.dir, ...args],
      env,
      stdin: "null",
      stdout: "null",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  };
  const head = async (path: string) => (await Deno.readTextFile(path)).slice(0, 60).split("\n")[1];
  await using provider = await serveProgram(file, home.dir, { env });
  assert.equal(provider.url, `http://${listen}`);
  await upgrade(fetched, "--key", key.publicLine);
  assert.match(`${await head(file)}`, /^# Khachapuri 0\.1\.1/);
  assert.match(`${await head(previousOf(file))}`, /^# Khachapuri 0\.1\.0/);
  assert.equal((await fetch(`${provider.url}/terms`)).status, 200);
  await upgrade("--rollback");
  assert.match(`${await head(file)}`, /^# Khachapuri 0\.1\.0/);
  assert.equal((await fetch(`${provider.url}/terms`)).status, 200);
  provider.signal("SIGTERM");
  assert.equal(await provider.ended, 0);
});

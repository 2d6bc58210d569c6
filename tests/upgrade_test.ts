/**
 * Another release in the place of the one that serves, and back. The files are scripts that start
 * these sources, signed as releases are; real packages are those of upgrade_packages_test.ts.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { previousOf } from "../lib/release/installed_file.ts";
import { openProviderHome, type ProviderHome } from "../worlds/provider_home.ts";
import { type ProgramScript, programScript, writeProgramScript } from "../worlds/program_script.ts";
import { serveProgram } from "../worlds/served_program.ts";
import { newSigningKey, signPackage } from "../worlds/signed_release.ts";

const KEY = newSigningKey();
/** The successor is told to start, and does not. */
const BROKEN = 'case "$*" in *--take-over*) exit 9;; esac';

async function run(file: string, home: ProviderHome, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(file, {
    args: ["upgrade", "--home", home.dir, "--key", KEY.publicLine, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, said: text(stdout) + text(stderr) };
}

/** A package of the script, with its signature beside it. */
async function fetched(
  dir: string,
  script: ProgramScript,
  { key = KEY, architecture = "x86_64" } = {},
): Promise<string> {
  const path = join(dir, "fetched");
  const bytes = new TextEncoder().encode(programScript(script));
  await Deno.writeFile(path, bytes);
  const { version = "0.1.0" } = script;
  await Deno.writeTextFile(`${path}.minisig`, signPackage(bytes, key, { version, architecture }));
  return path;
}

async function installedVersion(path: string): Promise<string | undefined> {
  const text = await Deno.readTextFile(path).catch(() => "");
  return /^# Khachapuri (\S+):/m.exec(text)?.[1];
}

Deno.test("an upgrade is followed by the provider, and so is the way back", async (t) => {
  await using home = await openProviderHome();
  await home.write();
  const file = await writeProgramScript(home.dir);
  await using provider = await serveProgram(file, home.dir);
  assert.ok(provider.url);
  const versions = async () => [
    await installedVersion(file),
    await installedVersion(previousOf(file)),
  ];

  await t.step("nothing is changed by a trial", async () => {
    const { code, said } = await run(
      file,
      home,
      "--dry-run",
      await fetched(home.dir, { version: "0.2.0" }),
    );
    assert.equal(code, 0, said);
    assert.match(said, /would install 0.2.0 .* in the place of 0.1.0/);
    assert.deepEqual(await versions(), ["0.1.0", undefined]);
  });
  await t.step("it serves, and the file before is kept", async () => {
    const isFollowed = provider.logged("a successor serves");
    const { code, said } = await run(file, home, await fetched(home.dir, { version: "0.2.0" }));
    assert.equal(code, 0, said);
    assert.match(said, /installed 0.2.0 .*; before: 0.1.0\nit serves/);
    await isFollowed;
    assert.deepEqual(await versions(), ["0.2.0", "0.1.0"]);
    const told = provider.log.find(({ changes }) => String(changes).includes("another file"));
    assert.ok(told, "the log says which file is another one");
  });
  await t.step("one that does not come to serve is put back, and the reason told", async () => {
    const broken = await fetched(home.dir, { version: "0.3.0", before: BROKEN });
    const { code, said } = await run(file, home, broken);
    assert.equal(code, 7, said);
    assert.match(said, /the new file does not serve: the successor ended with exit code 9/);
    assert.match(said, /is what it was before, and the provider goes on/);
    assert.deepEqual(await versions(), ["0.2.0", "0.1.0"]);
    const again = await run(file, home, "--dry-run", broken);
    assert.equal(again.code, 0, again.said);
  });
  await t.step("back, and forth again", async () => {
    const { code, said } = await run(file, home, "--rollback");
    assert.equal(code, 0, said);
    assert.deepEqual(await versions(), ["0.1.0", "0.2.0"]);
    assert.equal((await run(file, home, "--rollback")).code, 0);
    assert.deepEqual(await versions(), ["0.2.0", "0.1.0"]);
  });
  await t.step("an older one, the same, and one of another machine are refused", async () => {
    const older = await run(file, home, await fetched(home.dir, { version: "0.1.9" }));
    assert.deepEqual([older.code, /older than 0.2.0/.test(older.said)], [3, true], older.said);
    const same = await run(file, home, await fetched(home.dir, { version: "0.2.0" }));
    assert.deepEqual([same.code, /is what is there already/.test(same.said)], [3, true]);
    const script = { version: "0.4.0" };
    const foreign = await fetched(home.dir, script, { architecture: "arm64" });
    assert.match((await run(file, home, foreign)).said, /is for arm64, and this machine is x86_64/);
    assert.deepEqual(await versions(), ["0.2.0", "0.1.0"]);
  });
  provider.signal("SIGTERM");
  assert.equal(await provider.ended, 0);
});

Deno.test("where no provider runs the file alone is exchanged", async () => {
  await using home = await openProviderHome();
  await home.write();
  const file = await writeProgramScript(home.dir);
  const { code, said } = await run(file, home, await fetched(home.dir, { version: "0.2.0" }));
  assert.equal(code, 0, said);
  assert.match(said, /no provider runs with this home: nothing was started/);
  assert.equal(await installedVersion(file), "0.2.0");
  assert.equal((await run(file, home, "--rollback")).code, 0);
  assert.equal(await installedVersion(file), "0.1.0");
});

Deno.test("what is not signed by the trusted key changes nothing", async () => {
  await using home = await openProviderHome();
  await home.write();
  const file = await writeProgramScript(home.dir);
  const refused = async (path: string, code: number, reason: RegExp) => {
    const outcome = await run(file, home, path);
    assert.equal(outcome.code, code, outcome.said);
    assert.match(outcome.said, reason);
    assert.equal(await installedVersion(file), "0.1.0");
  };
  // What would tell that it was run.
  const before = `touch ${home.dir}/was-run`;
  const script = { version: "0.2.0", before };
  await refused(await fetched(home.dir, script, { key: newSigningKey() }), 3, /is trusted/);
  const path = await fetched(home.dir, script);
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.subarray(0, bytes.length - 1));
  await refused(path, 3, /the signature is not of this file/);
  await Deno.writeTextFile(path, programScript({ version: "0.2.1", before }));
  await refused(path, 3, /the signature is not of this file/);
  await Deno.remove(`${path}.minisig`);
  await refused(path, 4, /there is no signature/);
  assert.equal(await Deno.stat(join(home.dir, "was-run")).catch(() => null), null);
});

Deno.test("a file that is exchanged while it is checked is installed as it was checked", async () => {
  await using home = await openProviderHome();
  await home.write();
  const file = await writeProgramScript(home.dir);
  const path = await fetched(home.dir, { version: "0.2.0" });
  const [good, evil, link] = ["good", "evil", "link"].map((name) => join(home.dir, name));
  await Deno.rename(path, good!);
  await Deno.writeTextFile(evil!, programScript({ version: "6.6.6" }));
  await Deno.rename(`${path}.minisig`, `${link}.minisig`);
  // Somebody turns a link from one to the other for as long as it takes.
  const script = `while :; do ln -sfn ${evil} ${link}; ln -sfn ${good} ${link}; done`;
  const swapping = new Deno.Command("sh", { args: ["-c", script], stdin: "null", stderr: "null" })
    .spawn();
  try {
    for (let count = 0; count < 3; count++) {
      const { code, said } = await run(file, home, "--force", link!);
      const version = await installedVersion(file);
      assert.ok(code === 0 ? version === "0.2.0" : version !== "6.6.6", `${code} ${said}`);
      assert.ok(code === 0 || /signature is not of this file|does not exist/.test(said), said);
    }
  } finally {
    swapping.kill("SIGKILL");
    await swapping.status;
  }
});

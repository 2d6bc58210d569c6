import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { newSigningKey, signPackage } from "../../worlds/signed_release.ts";
import { judgeCandidate, readCandidate, versionIn } from "./candidate.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const PACKAGE = bytesOf("#!/bin/sh\n# Khachapuri 0.2.0: a shell stub, then a tar.gz\nexit 1\n");
const KEY = newSigningKey();

async function refused(
  change: { bytes?: Uint8Array<ArrayBuffer>; signature?: string | null },
  expected: object,
): Promise<void> {
  await inFolder(async (dir) => {
    const path = join(dir, "package");
    await Deno.writeFile(path, change.bytes ?? PACKAGE);
    const signature = change.signature === undefined ? signPackage(PACKAGE, KEY) : change.signature;
    if (signature !== null) await Deno.writeTextFile(`${path}.minisig`, signature);
    await assert.rejects(readCandidate(path, KEY.publicLine), expected);
  });
}

Deno.test("a package that is signed by the trusted key is read whole, and says what it is", () =>
  inFolder(async (dir) => {
    const path = join(dir, "package");
    await Deno.writeFile(path, PACKAGE);
    await Deno.writeTextFile(`${path}.minisig`, signPackage(PACKAGE, KEY));
    const { bytes, version, architecture } = await readCandidate(path, KEY.publicLine);
    assert.deepEqual([bytes, version, architecture], [PACKAGE, "0.2.0", "x86_64"]);
  }));

Deno.test("what another key signed, or of what a byte differs, is refused", async () => {
  const other = newSigningKey();
  await refused({ signature: signPackage(PACKAGE, other) }, { code: "invalid_signature" });
  // Under the trusted key's number.
  const named = { ...other, id: KEY.id };
  await refused({ signature: signPackage(PACKAGE, named) }, { code: "invalid_signature" });
  await refused({ bytes: PACKAGE.slice(0, -1) }, { code: "invalid_signature" });
  await refused({ bytes: new Uint8Array() }, { code: "invalid_signature" });
  const another = bytesOf("#!/bin/sh\n# Khachapuri 0.2.0: another\n");
  await refused({ signature: signPackage(another, KEY) }, { code: "invalid_signature" });
  await refused({ signature: "" }, { code: "invalid_input" });
  await refused({ signature: "x".repeat(100_000) }, { code: "body_too_large" });
  await refused({ signature: null }, { code: "not_found" });
});

Deno.test("what is signed and no package, or says another version, is refused", async () => {
  const sums = bytesOf("0000  khachapuri\n");
  const signature = signPackage(sums, KEY, { architecture: null });
  await refused({ bytes: sums, signature }, /is signed, but no package/);
  await refused({ signature: signPackage(PACKAGE, KEY, { version: "0.3.0" }) }, {
    code: "invalid_input",
  });
  assert.equal(versionIn(sums), null);
  assert.equal(versionIn(bytesOf("\x7fELF")), null);
});

Deno.test("a folder, a pipe and nothing are refused by name", () =>
  inFolder(async (dir) => {
    await assert.rejects(readCandidate(dir, KEY.publicLine), { code: "file_unusable" });
    await assert.rejects(readCandidate(join(dir, "none"), KEY.publicLine), { code: "not_found" });
    const pipe = join(dir, "pipe");
    await new Deno.Command("mkfifo", { args: [pipe] }).output();
    await assert.rejects(readCandidate(pipe, KEY.publicLine), { code: "file_unusable" });
  }));

Deno.test("older, the same and foreign ones are refused, unless they are asked for", () => {
  const now = { version: "0.2.0", architecture: "x86_64", allowsOlder: false, isForced: false };
  const judge = (version: string, change = {}, architecture = "x86_64") =>
    judgeCandidate({ version, architecture }, { ...now, ...change });
  judge("0.10.0");
  judge("0.1.0", { version: null });
  assert.throws(() => judge("0.1.9"), /older than 0.2.0/);
  assert.throws(() => judge("0.2.0-rc.1"), /older than 0.2.0/);
  judge("0.1.9", { allowsOlder: true });
  assert.throws(() => judge("0.2.0"), /is what is there already/);
  judge("0.2.0", { isForced: true });
  assert.throws(() => judge("0.3.0", { isForced: true }, "arm64"), /is for arm64/);
});

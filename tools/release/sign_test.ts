import assert from "node:assert/strict";
import { join } from "node:path";
import { parseMinisignKey, verifyMinisig } from "../../lib/release/minisign.ts";
import { complain } from "../print.ts";
import { isOnPath } from "../requirements.ts";
import { runQuietly } from "../quiet.ts";
import { isLocked, openSecretKey, scryptCost, signFile } from "./sign.ts";

// Made by Debian's minisign 0.11 for this test; the first with -W.
const OPEN = `untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAs1Hh5We0SJYudbf+4ReoZcW/IWE9YdzEXdr88A6VBIkwZc/J4xRtLkYZ4LRnt0qksKA5XD8iVlkvZbYkIng2wgg9sBo2zIx/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
`;
const OPEN_PUBLIC = "RWSzUeHlZ7RIlkYZ4LRnt0qksKA5XD8iVlkvZbYkIng2wgg9sBo2zIx/";
// The same key behind a password, by libsodium's "interactive" limits, as minisign's own take half
// a minute here; minisign 0.11 signed with it.
const LOCKED = `untrusted comment: minisign encrypted secret key
RWRTY0IyAQgPFh0kKzI5QEdOVVxjanF4f4aNlJuiqbC3vsXM09oAAAgAAAAAAAAAAAEAAAAAtQGed96u7bW4nnkOoFZkEhXBtdtDGWCIQ1/zEUZ5G8VHQryuzgDYmpSrTMd8l+t3I7f7+uz8W/RrHJLd+6KKRMyvwjcZe6SrnvelhBAuJwlaVtR5eF7hInnp9rMwOGhZp/ulmRFh5GY=
`;
const MINISIGNS_OWN =
  "RUSzUeHlZ7RIlgzr9KKoDNJmjKhitkK19biusqGR39hcbUGozbGFQfsDl34qlUduxYd/DCJ1KwFLEjTjjB/Si9WjGADjbcIolQQ=";
const FILE = new TextEncoder().encode("gamarjoba\n");
const COMMENT = "timestamp:1796010923\tfile:greeting";

Deno.test("signFile() signs as minisign does, bit for bit", () => {
  const key = openSecretKey(OPEN, "");
  assert.equal(key.publicLine, OPEN_PUBLIC);
  const signed = signFile(FILE, key, COMMENT);
  assert.equal(signFile(FILE, key, COMMENT), signed);
  // As minisign -S -m greeting -t … printed it.
  assert.equal(signed.split("\n")[1], MINISIGNS_OWN);
  assert.equal(verifyMinisig(FILE, signed, OPEN_PUBLIC).trustedComment, COMMENT);
  assert.throws(() => signFile(FILE, key, "two\nlines"), /one line/);
});

Deno.test("a secret key with a password opens by that alone", () => {
  assert.equal(isLocked(LOCKED), true);
  assert.equal(isLocked(OPEN), false);
  const key = openSecretKey(LOCKED, "gamarjoba");
  assert.equal(key.publicLine, OPEN_PUBLIC);
  assert.equal(signFile(FILE, key, COMMENT).split("\n")[1], MINISIGNS_OWN);
  assert.throws(() => openSecretKey(LOCKED, "gamarjobA"), /the password is not that of/);
});

Deno.test("scrypt's cost is libsodium's, and bounded", () => {
  assert.deepEqual(scryptCost(33_554_432n, 1_073_741_824n), { N: 2 ** 20, r: 8, p: 1 });
  // crypto_pwhash_scryptsalsa208sha256's "interactive" limits.
  assert.deepEqual(scryptCost(524_288n, 16_777_216n), { N: 2 ** 14, r: 8, p: 1 });
  assert.throws(() => scryptCost(33_554_432n, 1n << 31n), /more work/);
});

Deno.test("what is no secret key is said to be none", () => {
  for (
    const bad of ["", OPEN_PUBLIC, OPEN.slice(0, -9), `${OPEN}${OPEN}`, OPEN.replace("RW", "RX")]
  ) {
    assert.throws(() => openSecretKey(bad, ""), /no secret key of minisign/, bad);
  }
});

Deno.test("minisign verifies what we sign, and we what it signs", async (t) => {
  if (!await isOnPath("minisign")) return complain("NOT RUN: minisign is not installed");
  const dir = await Deno.makeTempDir();
  const file = join(dir, "greeting");
  const minisign = (...args: string[]) => runQuietly("minisign", args);
  try {
    await Deno.writeFile(file, FILE);
    await t.step("ours", async () => {
      const ours = signFile(FILE, openSecretKey(OPEN, ""), COMMENT);
      await Deno.writeTextFile(`${file}.minisig`, ours);
      const verified = await minisign("-Vm", file, "-P", OPEN_PUBLIC);
      assert.ok(verified.isDone, verified.said);
      assert.match(verified.said, /verified\nTrusted comment: timestamp:1796010923\tfile:greeting/);
      await Deno.writeTextFile(file, "gamarjobA\n");
      assert.equal((await minisign("-Vm", file, "-P", OPEN_PUBLIC)).isDone, false);
    });
    await t.step("its own, by a key that it makes now", async () => {
      const [secret, open] = [join(dir, "key"), join(dir, "key.pub")];
      const made = await minisign("-G", "-W", "-p", open, "-s", secret);
      assert.ok(made.isDone, made.said);
      await minisign("-S", "-s", secret, "-m", file, "-t", "by minisign");
      const [signed, key] = await Promise.all(
        [`${file}.minisig`, open].map((path) => Deno.readTextFile(path)),
      );
      const bytes = await Deno.readFile(file);
      assert.equal(verifyMinisig(bytes, signed!, key!).trustedComment, "by minisign");
      const reopened = openSecretKey(await Deno.readTextFile(secret), "");
      assert.equal(reopened.publicLine, parseMinisignKey(key!).line);
    });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { join } from "node:path";
import { generatePrivateKey } from "viem/accounts";
import { KhachapuriError } from "../errors.ts";
import { accountOf, generateIdentity, readKeyFile, recipientOf, writeKeyFile } from "./keys.ts";

async function inFolder(test: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a key file is written 0600 in a 0700 folder and read back", () =>
  inFolder(async (dir) => {
    const path = join(dir, "home", "keys.json");
    const keys = {
      version: 1,
      account: generatePrivateKey(),
      identities: [await generateIdentity("pq"), await generateIdentity("x25519")],
    } as const;
    await writeKeyFile(path, { ...keys, identities: [...keys.identities] });
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    assert.equal((await Deno.stat(join(dir, "home"))).mode! & 0o777, 0o700);
    assert.deepEqual(await readKeyFile(path), keys);
    assert.equal((await Array.fromAsync(Deno.readDir(join(dir, "home")))).length, 1);
  }));

Deno.test("a key file is never overwritten", () =>
  inFolder(async (dir) => {
    const path = join(dir, "keys.json");
    const first = { version: 1, account: generatePrivateKey() } as const;
    await writeKeyFile(path, first);
    const second = { version: 1, account: generatePrivateKey() } as const;
    await assert.rejects(writeKeyFile(path, second), { code: "invalid_input", message: /exists/ });
    assert.deepEqual(await readKeyFile(path), first);
    assert.equal((await Array.fromAsync(Deno.readDir(dir))).length, 1);
  }));

Deno.test("whatever mode lets others in is refused with the chmod to run", () =>
  inFolder(async (dir) => {
    const path = join(dir, "keys.json");
    await writeKeyFile(path, { version: 1 });
    for (const mode of [0o644, 0o640, 0o660, 0o604, 0o601, 0o666, 0o610]) {
      await Deno.chmod(path, mode);
      await assert.rejects(readKeyFile(path), (error) => {
        assert(error instanceof KhachapuriError);
        assert.equal(error.code, "insecure_key_file");
        assert.deepEqual(error.hints, [`chmod 600 ${path}`]);
        return true;
      });
    }
    for (const mode of [0o600, 0o400]) {
      await Deno.chmod(path, mode);
      await readKeyFile(path);
    }
  }));

Deno.test({
  name: "a key file of another user is refused (needs root)",
  ignore: Deno.uid() !== 0,
  fn: () =>
    inFolder(async (dir) => {
      const path = join(dir, "keys.json");
      await writeKeyFile(path, { version: 1 });
      await Deno.chown(path, 65_534, null);
      const expected = { code: "insecure_key_file", message: /another user/ };
      await assert.rejects(readKeyFile(path), expected);
    }),
});

Deno.test("what is no key file is refused without quoting it", () =>
  inFolder(async (dir) => {
    const secret = generatePrivateKey();
    const bad = [
      `${secret}`,
      `{"version":1,"account":"${secret}x"}`,
      `{"version":1,"account":"${secret}","more":1}`,
      `{"version":2,"account":"${secret}"}`,
      `{"version":1,"identities":["${secret}"]}`,
      `{"version":1,"account":"0x${"0".repeat(64)}"}`,
      `{"version":1,"account":"0x${"f".repeat(64)}"}`,
    ];
    for (const [index, text] of bad.entries()) {
      const path = join(dir, `${index}.json`);
      await Deno.writeTextFile(path, text, { mode: 0o600 });
      await assert.rejects(readKeyFile(path), (error) => {
        assert(error instanceof KhachapuriError);
        assert.equal(error.code, "invalid_input");
        assert(!Deno.inspect(error).includes(secret.slice(2)), "quotes the key");
        return true;
      });
    }
  }));

Deno.test("a missing key file and a folder are told apart", () =>
  inFolder(async (dir) => {
    await assert.rejects(readKeyFile(join(dir, "none")), { code: "not_found" });
    await assert.rejects(readKeyFile(dir), { code: "insecure_key_file" });
    await Deno.symlink("gone", join(dir, "link"));
    await assert.rejects(readKeyFile(join(dir, "link")), { message: /is a link to what does not/ });
  }));

Deno.test("a file without an account has no account", () => {
  assert.throws(() => accountOf({ version: 1 }, "keys.json"), { code: "invalid_input" });
});

Deno.test("age-keygen's recipient of an identity is ours", async () => {
  const output = await new Deno.Command("age-keygen").output();
  const text = new TextDecoder().decode(output.stdout);
  const identity = /AGE-SECRET-KEY-1\w+/.exec(text)![0];
  assert.equal(await recipientOf(identity), /age1\w+/.exec(text)![0]);
});

Deno.test("a wrong identity is refused without quoting it", async () => {
  const identity = await generateIdentity("x25519");
  const wrong = identity.slice(0, -1) + (identity.endsWith("Q") ? "P" : "Q");
  await assert.rejects(recipientOf(wrong), (error) => {
    assert(error instanceof KhachapuriError);
    return !Deno.inspect(error).includes(wrong);
  });
});

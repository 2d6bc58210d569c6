import assert from "node:assert/strict";
import { basename, join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { decryptProgram } from "../spec/private_program.ts";
import { readZip } from "../spec/zip_reader.ts";
import { assertNoSecrets, assertStartable, packForDeployment } from "./packed_program.ts";

const COMMAND = { entrypoint: "./main", env: {} };

const inProgram = (test: (dir: string) => Promise<void>) =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(join(dir, "main"), "#!/bin/sh\necho hi\n", { mode: 0o755 });
    await test(dir);
  });

Deno.test("the same program gives the same cid, a private one never", () =>
  inProgram(async (dir) => {
    const pack = (isPrivate: boolean) => packForDeployment(dir, isPrivate, COMMAND);
    const [one, two] = [await pack(false), await pack(false)];
    assert.equal(one.cid, two.cid);
    assert.equal(one.key, undefined);
    const [three, four] = [await pack(true), await pack(true)];
    assert.notEqual(three.cid, four.cid);
    const zip = await decryptProgram(three.dag.blocks[0]!.bytes, three.key!);
    assert.deepEqual((await readZip(zip)).map(({ path }) => path), ["main"]);
  }));

Deno.test("what is packed is judged, not what the folder holds", () =>
  inProgram(async (dir) => {
    await Deno.writeTextFile(join(dir, ".env"), "KEY=1");
    const whole = await packForDeployment(dir, false, COMMAND);
    assert.equal(assertStartable(whole.start, Deno.build.arch), null);
    assert.deepEqual(whole.secrets, [{ path: ".env", why: "environment variables" }]);
    await Deno.writeTextFile(join(dir, "data"), "");
    await Deno.writeTextFile(join(dir, ".khachapuriignore"), "main\n.env");
    const rest = await packForDeployment(dir, false, COMMAND);
    assert.deepEqual(rest.secrets, []);
    assert.throws(() => assertStartable(rest.start, null), {
      message: "the program has no file main",
    });
  }));

Deno.test("the file that the environment is read from is secret wherever it lies in the folder", () =>
  inProgram(async (dir) => {
    const path = join(dir, "settings.txt");
    await Deno.writeTextFile(path, "KEY=1");
    const secretsOf = async (envFile: string | null) =>
      (await packForDeployment(dir, false, COMMAND, envFile)).secrets.map(({ path }) => path);
    assert.deepEqual(await secretsOf(null), []);
    assert.deepEqual(await secretsOf(join(dir, "..", basename(dir), "settings.txt")), [
      "settings.txt",
    ]);
    await inFolder(async (other) => {
      await Deno.writeTextFile(join(other, "env"), "KEY=1");
      assert.deepEqual(await secretsOf(join(other, "env")), []);
    });
    await Deno.writeTextFile(join(dir, ".khachapuriignore"), "settings.txt");
    assert.deepEqual(await secretsOf(path), []);
  }));

Deno.test("what a machine lacks is told, and refused by none", () =>
  inProgram(async (dir) => {
    await Deno.writeTextFile(join(dir, "main"), "#!/usr/bin/pyton3\n");
    const { start } = await packForDeployment(dir, false, COMMAND);
    const told = "the interpreter of main, /usr/bin/pyton3, is not installed here";
    assert.equal(assertStartable(start, null), told);
  }));

Deno.test("secrets stop a program, private or not, until each is named", () => {
  const secrets = [{ path: ".env", why: "environment variables" }, { path: "a b", why: "a key" }];
  const refused = (allowed: string[], isPrivate = false) => {
    try {
      assertNoSecrets(secrets, allowed, isPrivate);
    } catch (error) {
      return error as Error & { hints: string[]; code: string };
    }
    return null;
  };
  const error = refused([])!;
  assert.equal(error.code, "invalid_program");
  assert.match(
    error.message,
    /^the program holds secrets: \.env \(environment variables\), a b \(a/,
  );
  assert.match(error.message, /everybody could read them, for ever$/);
  assert.match(
    error.hints.join("\n"),
    /--env-file.*\n.*\.khachapuriignore\n.*--allow-secret \.env --allow-secret 'a b'$/,
  );
  assert.match(refused([], true)!.message, /the provider could read them/);
  assert.match(refused(["./.env"])!.message, /^the program holds secrets: a b/);
  assert.equal(refused(["./.env", "a b"]), null);
  assert.equal(refused([".env", "a b", "main"])!.code, "invalid_input");
});

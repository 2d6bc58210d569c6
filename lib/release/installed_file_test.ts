import assert from "node:assert/strict";
import { join } from "node:path";
import { inFolder } from "../../worlds/home.ts";
import { exchangeFiles, installFile, previousOf } from "./installed_file.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);

const withFile = (test: (path: string, names: () => string[]) => Promise<void>) =>
  inFolder(async (dir) => {
    const path = join(dir, "khachapuri");
    await Deno.writeTextFile(path, "one");
    await Deno.chmod(path, 0o750);
    await test(path, () => [...Deno.readDirSync(dir)].map(({ name }) => name).sort());
  });

const text = (path: string) => Deno.readTextFile(path);

Deno.test("a file is put in the place of another, used alike, and that one kept beside it", () =>
  withFile(async (path, names) => {
    if (Deno.uid() === 0) await Deno.chown(path, 1234, 2345);
    const before = await Deno.stat(path);
    {
      await using installed = await installFile(path, bytesOf("two"));
      await installed.settle();
    }
    assert.deepEqual([await text(path), await text(previousOf(path))], ["two", "one"]);
    const { mode, uid, gid } = await Deno.stat(path);
    assert.deepEqual([mode, uid, gid], [before.mode, before.uid, before.gid]);
    assert.deepEqual(names(), ["khachapuri", "khachapuri.previous"]);
  }));

Deno.test("what was there comes back, and the one before it, too", () =>
  withFile(async (path, names) => {
    const { ino } = await Deno.stat(path);
    {
      await using installed = await installFile(path, bytesOf("two"));
      await installed.undo();
    }
    assert.equal((await Deno.stat(path)).ino, ino, "the very file");
    assert.deepEqual(names(), ["khachapuri"]);
    await (await installFile(path, bytesOf("two")))[Symbol.asyncDispose]();
    {
      await using second = await installFile(path, bytesOf("three"));
      assert.deepEqual([await text(path), await text(previousOf(path))], ["three", "two"]);
      await second.undo();
    }
    assert.deepEqual([await text(path), await text(previousOf(path))], ["two", "one"]);
    assert.deepEqual(names(), ["khachapuri", "khachapuri.previous"]);
  }));

Deno.test("files are exchanged, and exchanged again", () =>
  withFile(async (path, names) => {
    await assert.rejects(exchangeFiles(path), { code: "not_found" });
    await (await installFile(path, bytesOf("two")))[Symbol.asyncDispose]();
    const back = await exchangeFiles(path);
    assert.deepEqual([await text(path), await text(previousOf(path))], ["one", "two"]);
    await back.undo();
    assert.deepEqual([await text(path), await text(previousOf(path))], ["two", "one"]);
    await back[Symbol.asyncDispose]();
    assert.deepEqual(names(), ["khachapuri", "khachapuri.previous"]);
  }));

Deno.test("two at a time are refused, and what a killed one left is in nobody's way", () =>
  withFile(async (path, names) => {
    const first = await installFile(path, bytesOf("two"));
    await assert.rejects(installFile(path, bytesOf("three")), { code: "overloaded" });
    await assert.rejects(exchangeFiles(path), { code: "overloaded" });
    await first.undo();
    await assert.rejects(installFile(path, bytesOf("three")), { code: "overloaded" });
    await first[Symbol.asyncDispose]();
    const victim = `${path}.victim`;
    await Deno.writeTextFile(victim, "untouched");
    for (const left of [".new", ".aside", ".previous.before", ".previous.aside"]) {
      await Deno.symlink(victim, `${path}${left}`);
    }
    await (await installFile(path, bytesOf("four")))[Symbol.asyncDispose]();
    assert.deepEqual([await text(path), await text(victim)], ["four", "untouched"]);
    assert.equal((await Deno.lstat(path)).isSymlink, false);
    await Deno.remove(`${path}.aside`);
    assert.deepEqual(names(), ["khachapuri", "khachapuri.previous", "khachapuri.victim"]);
  }));

Deno.test("no reader ever finds nothing, or half of a file", () =>
  withFile(async (path) => {
    const reading = (async () => {
      for (let count = 0; count < 200; count++) {
        const { length } = await Deno.readFile(path);
        assert.ok(length === 3 || length === 1_000_000, `${length} bytes`);
      }
    })();
    for (let count = 0; count < 10; count++) {
      await using installed = await installFile(path, new Uint8Array(1_000_000));
      if (count % 2) await installed.undo();
    }
    await reading;
  }));

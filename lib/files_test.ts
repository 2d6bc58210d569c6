import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "../worlds/home.ts";
import { KhachapuriError } from "./errors.ts";
import {
  fileError,
  isMissing,
  isTaken,
  makeFolders,
  namedDatabase,
  openSink,
  readText,
  standardStream,
  unnamedFileError,
  writeNewFile,
} from "./files.ts";

const told = (code: string, message: RegExp) => ({ code, message });

Deno.test("what can't be read or written is told by its path and in words", async () => {
  await using folder = await makeFolder();
  const path = (name: string) => join(folder.dir, name);
  await Deno.writeTextFile(path("file"), "text");
  await Deno.symlink("loop", path("loop"));
  await Deno.symlink("none", path("dangling"));
  const cases = [
    [() => readText(folder.dir), "file_unusable", /can't be read: it is a folder/],
    [() => readText(path("none")), "not_found", /none can't be read: it does not exist/],
    [() => readText(path("file/x")), "file_unusable", /a part of its path is no folder/],
    [() => readText(path("loop")), "file_unusable", /its links go round/],
    [() => readText(path("dangling")), "not_found", /it is a link to what does not exist/],
    [() => readText(path("n".repeat(300))), "file_unusable", /its name is too long/],
    [() => openSink(path("none/x")), "not_found", /can't be written: its folder does not exist/],
    [() => openSink(folder.dir), "file_unusable", /can't be written: it is a folder/],
    [() => writeNewFile(path("file"), ""), "file_unusable", /it is there already/],
    [() => makeFolders(path("file/x")), "file_unusable", /can't be made/],
  ] as const;
  for (const [work, code, message] of cases) {
    await assert.rejects(work(), (error) => {
      assert(error instanceof KhachapuriError && error.hints.length > 0);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("every number that the system gives has words, those unknown to us the system's own", async () => {
  const refusal = async (errno: number, text = "Words") =>
    await fileError(new Error(`${text} (os error ${errno})`), "/a/b", "written") as KhachapuriError;
  const full = await refusal(28);
  assert.equal(full.message, "/a/b can't be written: no space is left on its disk");
  assert.deepEqual(full.hints, ["make room: df /a"]);
  assert.equal((await refusal(30)).code, "access_denied");
  assert.match((await refusal(99)).message, /Words \(os error 99\)$/);
  const other = new TypeError("no file's error");
  assert.equal(await fileError(other, "/a", "read"), other);
});

Deno.test("at the edge a refusal that nobody named is told by what Deno says of it", () => {
  const named = unnamedFileError(new Error("Is a directory (os error 21): readfile '/a/b'"));
  assert.equal(named?.message, "/a/b can't be used: it is a folder");
  assert.equal(unnamedFileError(new Error("No space left (os error 28)"))?.code, "file_unusable");
  assert.equal(unnamedFileError(new Error("Permission denied (os error 13)")), null, "a port's");
  assert.equal(unnamedFileError(new Error("Connection refused (os error 111)")), null);
});

Deno.test("missing and taken are known under our own errors, too", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "file");
  const missing = await readText(path).catch((error) => error);
  await writeNewFile(path, "text");
  const taken = await writeNewFile(path, "text").catch((error) => error);
  assert.deepEqual([isMissing(missing), isTaken(missing)], [true, false]);
  assert.deepEqual([isMissing(taken), isTaken(taken)], [false, true]);
});

Deno.test("a sink keeps what a file holds until there is something to write", async () => {
  await using folder = await makeFolder();
  const [old, fresh] = [join(folder.dir, "old"), join(folder.dir, "new")];
  await Deno.writeTextFile(old, "what it held");
  for (const path of [old, fresh]) await (await openSink(path)).discard();
  assert.equal(await Deno.readTextFile(old), "what it held");
  await assert.rejects(Deno.stat(fresh), Deno.errors.NotFound);
  {
    await using sink = await openSink(old);
    await sink.write(new TextEncoder().encode("one "));
    await sink.write(new TextEncoder().encode("two"));
  }
  assert.equal(await Deno.readTextFile(old), "one two");
  await (await openSink(fresh))[Symbol.asyncDispose]();
  assert.equal(await Deno.readTextFile(fresh), "");
});

Deno.test("standard streams are known by every name that they have", () => {
  const names = {
    "/dev/stdin": 0,
    "/dev/fd/0": 0,
    "/dev/stdout": 1,
    "/proc/self/fd/1": 1,
    "/dev/stderr": 2,
    "/dev/fd/63": null,
    "/dev/null": null,
    "stdin": null,
  };
  for (const [path, stream] of Object.entries(names)) {
    assert.equal(standardStream(path), stream, path);
  }
});

Deno.test("a database that is none is told by its path", async () => {
  await using folder = await makeFolder();
  const open = (path: string) =>
    namedDatabase(path, () => {
      using database = new DatabaseSync(path);
      database.exec("CREATE TABLE IF NOT EXISTS t (x)");
    });
  assert.throws(() => open(folder.dir), told("file_unusable", /can't be used: it can't be opened/));
  const path = join(folder.dir, "text.db");
  await Deno.writeTextFile(path, "no database at all, but long enough to be looked at".repeat(30));
  assert.throws(
    () => open(path),
    told("file_unusable", /text\.db can't be used: it is no database/),
  );
});

import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { makeFolder } from "../../../worlds/home.ts";
import { copyDatabase, isDatabase } from "./database_copy.ts";

Deno.test("a copy has what was committed, its version too, and a log beside is in it", async () => {
  await using folder = await makeFolder();
  const [path, to] = [join(folder.dir, "a.db"), join(folder.dir, "b.db")];
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a); PRAGMA user_version = 7");
  for (let i = 0; i < 1_000; i++) database.exec(`INSERT INTO t VALUES (${i})`);
  await copyDatabase(path, to);
  database.exec("INSERT INTO t VALUES (1000)");
  const copy = new DatabaseSync(to, { readOnly: true });
  const count = copy.prepare("SELECT count(*) AS n, max(a) AS most FROM t").get();
  assert.deepEqual({ ...count }, { n: 1_000, most: 999 });
  assert.deepEqual({ ...copy.prepare("PRAGMA user_version").get() }, { user_version: 7 });
  copy.close();
  database.close();
  assert.equal(await isDatabase(to), true);
});

Deno.test("a file that is no database is told from one, an empty one too", async () => {
  await using folder = await makeFolder();
  for (const text of ["", "SQLite", "SQLite format 4\0 and more"]) {
    const path = join(folder.dir, "file");
    await Deno.writeTextFile(path, text);
    assert.equal(await isDatabase(path), false);
  }
});

Deno.test("a damaged database is told by its name", async () => {
  await using folder = await makeFolder();
  const path = join(folder.dir, "a.db");
  await Deno.writeTextFile(path, `SQLite format 3\0${"x".repeat(8_000)}`);
  await assert.rejects(copyDatabase(path, join(folder.dir, "b.db")), (error) => {
    assert.match(String(error), /a\.db/);
    return true;
  });
});

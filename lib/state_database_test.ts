import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { assertStateKnown, openStateDatabase, stateVersion } from "./state_database.ts";

async function withBook(use: (book: string) => void): Promise<void> {
  const book = await Deno.makeTempDir();
  try {
    use(book);
  } finally {
    await Deno.remove(book, { recursive: true });
  }
}

function writtenBy(path: string, version: number): void {
  const database = new DatabaseSync(path);
  database.exec(`CREATE TABLE rows (a INTEGER); PRAGMA user_version = ${version}`);
  database.close();
}

Deno.test("a file that a later release has written is refused by its name, and not changed", () =>
  withBook((book) => {
    for (const name of ["answers.db", "names.db", "deployments.db", "ledger.db"]) {
      const path = join(book, name);
      const later = stateVersion(path) + 1;
      writtenBy(path, later);
      const refusal = {
        code: "invalid_config",
        message: `${path} was kept by a later release (version ${later})`,
      };
      assert.throws(() => openStateDatabase(path), refusal);
      assert.throws(() => assertStateKnown(book), refusal);
      const database = new DatabaseSync(path);
      assert.deepEqual({ ...database.prepare("PRAGMA user_version").get() }, {
        user_version: later,
      });
      database.close();
      Deno.removeSync(path);
    }
    assertStateKnown(book);
  }));

Deno.test("a file from before there were versions is as good as one of the first", () =>
  withBook((book) => {
    const path = join(book, "answers.db");
    writtenBy(path, 0);
    assertStateKnown(book);
    openStateDatabase(path).close();
    const database = openStateDatabase(path);
    assert.equal(database.prepare("PRAGMA user_version").get()!.user_version, 1);
    assert.deepEqual(database.prepare("SELECT * FROM rows").all(), [], "it is what it was");
    database.close();
  }));

import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inFolder } from "../../../worlds/home.ts";
import { readRecords } from "./records_reader.ts";

Deno.test("records are looked into where they are, and nothing comes into being by it", async () => {
  await inFolder(async (dir) => {
    const path = join(dir, "deployments.db");
    const count = (table: string) =>
      readRecords(path, table, (database) => database.prepare("SELECT n FROM some").all().length);
    assert.equal(count("some"), null);
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE some (n INTEGER); INSERT INTO some VALUES (1)");
    assert.equal(count("some"), 1);
    assert.equal(count("other"), null);
    const write = () => readRecords(path, "some", (read) => read.exec("DELETE FROM some"));
    assert.throws(write, /readonly/);
    database.close();
  });
});

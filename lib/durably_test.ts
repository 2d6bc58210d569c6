import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { durably } from "./durably.ts";

const [NORMAL, FULL] = [1, 2];

Deno.test("only the write itself waits for the disk, also when it fails", () => {
  using database = new DatabaseSync(":memory:");
  database.exec("PRAGMA synchronous = NORMAL");
  const level = () => database.prepare("PRAGMA synchronous").get()!.synchronous;
  const levels: unknown[] = [];
  durably(database, () => levels.push(level()));
  levels.push(level());
  const failing = () => {
    throw new Error("disk full");
  };
  assert.throws(() => durably(database, failing), /disk full/);
  assert.deepEqual([...levels, level()], [FULL, NORMAL, NORMAL]);
});

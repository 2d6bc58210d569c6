import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Position } from "./position.ts";

Deno.test("where a file is stands in it with what was read, or neither does", () => {
  using database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE things (name TEXT)");
  const position = new Position(database, ["b", "a"]);
  assert.deepEqual([position.log, position.seq], [null, 0]);
  const add = () => database.exec("INSERT INTO things VALUES ('x')");
  position.advance("log", 7, add);
  assert.throws(() =>
    position.advance("log", 9, () => {
      add();
      throw new Error("no room");
    })
  );
  assert.deepEqual([position.log, position.seq], ["log", 7]);
  assert.equal(database.prepare("SELECT COUNT(*) AS n FROM things").get()!.n, 1);
  const again = new Position(database, ["a", "b"]);
  assert.deepEqual([again.log, again.seq], ["log", 7]);
});

Deno.test("a release that has other kinds of the log reads it from the beginning", () => {
  using database = new DatabaseSync(":memory:");
  new Position(database, ["a"]).advance("log", 7, () => {});
  const position = new Position(database, ["a", "b"]);
  assert.deepEqual([position.log, position.seq], ["log", 0]);
});

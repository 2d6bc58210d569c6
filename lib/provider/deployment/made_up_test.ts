import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { MadeUp } from "./made_up.ts";

Deno.test("how far it is made up stays over a start, of each thing for itself", () => {
  using database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE deployments (cid TEXT PRIMARY KEY)");
  const register = () =>
    Number(
      database.prepare("INSERT INTO deployments VALUES (hex(randomblob(8)))").run().lastInsertRowid,
    );
  for (let row = 0; row < 5; row++) register();
  const open = (what: string) => new MadeUp(database, what);
  const lanes = open("lanes");
  assert.deepEqual([lanes.upTo, lanes.last], [0, 5]);
  lanes.advance(3);
  // It is behind: what comes does not count as made up.
  lanes.add(register());
  assert.deepEqual([open("lanes").upTo, open("lanes").last, open("came").upTo], [3, 6, 0]);
  const later = open("lanes");
  later.advance(100);
  assert.equal(later.upTo, 6);
  later.add(register());
  assert.deepEqual([open("lanes").upTo, open("lanes").last], [7, 7]);
  // Another process writes one.
  register();
  later.add(register());
  assert.deepEqual([later.upTo, later.last, open("lanes").upTo], [7, 9, 7]);
});

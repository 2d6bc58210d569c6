import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Unsent } from "./unsent.ts";

function open() {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE things (name TEXT)");
  const add = (name: string) => void database.prepare("INSERT INTO things VALUES (?)").run(name);
  const unsent = new Unsent(database, "things");
  const waiting = () =>
    database.prepare("SELECT name FROM things WHERE rowid > ?").all(unsent.upTo)
      .map(({ name }) => name);
  return { database, add, unsent, waiting, [Symbol.dispose]: () => database.close() };
}

Deno.test("what comes waits until it is sent, also for the next process", () => {
  using world = open();
  const { database, add, unsent, waiting } = world;
  add("a");
  add("b");
  assert.deepEqual(waiting(), ["a", "b"]);
  unsent.sent(1);
  assert.deepEqual(waiting(), ["b"]);
  assert.equal(new Unsent(database, "things").upTo, 1);
});

Deno.test("what is learned is none to be sent, and hides nothing that is", () => {
  using world = open();
  const { database, add, unsent, waiting } = world;
  unsent.learn(() => add("learned"));
  assert.deepEqual(waiting(), []);
  add("own");
  unsent.learn(() => add("learned, too"));
  assert.deepEqual(waiting(), ["own", "learned, too"]);
  unsent.sent(3);
  unsent.learn(() => database.exec("DELETE FROM things WHERE rowid = 3"));
  add("in the place of one that went");
  assert.deepEqual(waiting(), ["in the place of one that went"]);
});

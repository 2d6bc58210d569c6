import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { inTransaction } from "./transaction.ts";

Deno.test("what is written together is there as a whole, or not at all", () => {
  using database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE notes (text TEXT)");
  const put = (text: string) => database.prepare("INSERT INTO notes VALUES (?)").run(text);
  const count = () => database.prepare("SELECT COUNT(*) AS count FROM notes").get()!.count;
  inTransaction(database, () => ["one", "two"].forEach(put));
  assert.equal(count(), 2);
  const torn = () => {
    put("three");
    throw new Error("torn");
  };
  assert.throws(() => inTransaction(database, torn), { message: "torn" });
  assert.equal(count(), 2);
  assert.equal(database.isTransaction, false);
});

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import { LogRows } from "./log_rows.ts";

const [A, B] = ["a", "b"] as [CidText, CidText];
const LOGS = { name: "logs", column: "line" };

function openRows(bytesMax: number) {
  const database = new DatabaseSync(":memory:");
  const rows = new LogRows(database, LOGS, bytesMax);
  const textsOf = (cid: CidText, after = 0) => rows.after(cid, after).map(({ text }) => text);
  return { database, rows, textsOf, [Symbol.dispose]: () => database.close() };
}

Deno.test("a deployment's rows are read in their order, from a number on", () => {
  using log = openRows(1_000);
  assert.equal(log.rows.newest(), 0);
  for (const [number, cid, text] of [[3, A, "one"], [5, B, "other"], [7, A, "two"]] as const) {
    log.rows.add(number, cid, text);
  }
  assert.deepEqual(log.rows.after(A, 0).map(({ number }) => number), [3, 7]);
  assert.deepEqual(log.textsOf(A), ["one", "two"]);
  assert.deepEqual(log.textsOf(A, 3), ["two"]);
  assert.equal(log.rows.newest(), 7);
});

Deno.test("one deployment is cut to so many rows, or bytes, and the others are not", () => {
  using log = openRows(1_000);
  log.rows.add(1, B, "x".repeat(10));
  for (let number = 2; number < 12; number++) log.rows.add(number, A, `${number}é`.padStart(9));
  log.rows.trimToCount(A, 20);
  log.rows.trimToCount(A, 6);
  assert.deepEqual(log.textsOf(A).map((text) => text.trim()), [
    "6é",
    "7é",
    "8é",
    "9é",
    "10é",
    "11é",
  ]);
  // Each has ten bytes: é takes two.
  log.rows.trimToBytes(A, 60);
  assert.equal(log.textsOf(A).length, 6);
  log.rows.trimToBytes(A, 39);
  assert.deepEqual(log.textsOf(A).map((text) => text.trim()), ["9é", "10é", "11é"]);
  assert.equal(log.textsOf(B).length, 1);
});

Deno.test("all together have so many bytes, and the oldest make room", () => {
  using log = openRows(1_000);
  for (let number = 1; number <= 100; number++) log.rows.add(number, A, "x".repeat(10));
  log.rows.makeRoom();
  assert.equal(log.textsOf(A).length, 100);
  log.rows.add(101, B, "y");
  log.rows.makeRoom();
  assert.equal(log.textsOf(A).length, 36);
  assert.equal(log.textsOf(B).length, 1);
  // What was there before counts as well.
  const again = new LogRows(log.database, LOGS, 300);
  again.makeRoom();
  assert.deepEqual([log.textsOf(A).length, log.textsOf(B).length], [0, 0]);
});

Deno.test("what is rolled back is not counted", () => {
  using log = openRows(100);
  log.database.exec("BEGIN");
  log.rows.add(1, A, "x".repeat(100));
  log.database.exec("ROLLBACK");
  log.rows.add(1, A, "y".repeat(100));
  log.rows.makeRoom();
  assert.equal(log.textsOf(A).length, 1);
});

Deno.test("of all that is there so many rows are read at a time, or so many bytes", () => {
  using log = openRows(1_000);
  for (let number = 1; number <= 5; number++) log.rows.add(number, A, "x".repeat(10));
  const numbersOf = (...words: [number, number, number]) =>
    log.rows.allAfter(...words).map(({ number }) => number);
  assert.deepEqual(numbersOf(1, 2, 1_000), [2, 3]);
  assert.deepEqual(numbersOf(1, 9, 25), [2, 3, 4]);
  assert.deepEqual(numbersOf(4, 9, 1), [5]);
  assert.deepEqual(numbersOf(0, 9, 1_000), [1, 2, 3, 4, 5]);
});

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { COLUMNS, SCHEMA } from "./codec.ts";
import { Receipted, RECEIPTED_SCHEMA } from "./receipted.ts";

const SALE = `
  INSERT INTO journal (${COLUMNS})
  VALUES (1, 'reserve', 'payer', 'lane', ?1, 'cid', '5', NULL),
    (1, 'charge', 'payer', 'lane', ?1, NULL, NULL, ?2)
`;

/** A journal of so many sales, every second with a receipt. */
function openJournal(sales: number) {
  const database = new DatabaseSync(":memory:");
  // As an earlier version left it.
  database.exec(`${SCHEMA}; CREATE INDEX journal_receipted ON journal (reservation)`);
  database.exec(RECEIPTED_SCHEMA);
  const sale = database.prepare(SALE);
  const sell = (n: number) => sale.run(n, n % 2 === 0 ? "answered" : `["answered",${n}]`);
  for (let n = 1; n <= sales; n++) sell(n);
  const noted = () => database.prepare("SELECT COUNT(*) AS n FROM receipted").get()!.n;
  return { database, sell, noted };
}

Deno.test("a charge is found by its reservation where it has a receipt, by whichever life", () => {
  const { database, sell } = openJournal(9);
  const first = new Receipted(database);
  assert.equal(first.find(3)?.detail, `["answered",3]`);
  assert.equal(first.find(4), undefined);
  assert.equal(first.find(11), undefined);
  sell(10);
  sell(11);
  assert.equal(first.find(11)?.reservation, 11);
  sell(13);
  const next = new Receipted(database);
  for (const n of [1, 11, 13]) assert.equal(next.find(n)?.kind, "charge");
});

Deno.test("charges are noted many at a time, while nobody asks", () => {
  const { database, noted } = openJournal(600);
  const receipted = new Receipted(database);
  receipted.goOn(500);
  assert.equal(noted(), 0);
  receipted.goOn(600);
  assert.equal(noted(), 150);
  receipted.goOn(1_100);
  assert.equal(noted(), 150);
  receipted.goOn(1_200);
  assert.equal(noted(), 300);
  assert.equal(receipted.find(599)?.reservation, 599);
});

Deno.test("rows that were left are looked at in pieces, and by no life twice", () => {
  const { database, noted } = openJournal(10_000);
  const first = new Receipted(database);
  first.goOn(20_000);
  assert.equal(noted(), 2_048);
  const next = new Receipted(database);
  // What is in the archive is found there.
  database.exec("DELETE FROM receipted; DELETE FROM journal WHERE seq <= 8192");
  next.goOn(20_000);
  assert.equal(noted(), 2_048);
  assert.equal(next.find(9_999)?.reservation, 9_999);
});

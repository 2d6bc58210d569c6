import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { imageOf, replayed } from "../../../worlds/book_image.ts";
import {
  CID,
  ID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  PAYER,
  sale,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { readAhead } from "./book_reader.ts";
import { type Entry, laneOf, lanesOf } from "./journal.ts";
import { openStore, readJournal, type Store } from "./store.ts";

const IN_USE = { isInUse: true, ahead: null };
const KEEPING = { finalBlock: () => 5n };
const OTHER = { payer: PAYER, lane: OTHER_LANE };
const settle = (settled: bigint, id = ID): Entry => (
  { kind: "settle", ...id, settled, block: 1n, transaction: TRANSACTION }
);

async function inFile(work: (path: string, store: Store) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "ledger.db");
  const store = await openStore(path, () => NOW_MS, IN_USE, KEEPING);
  try {
    await work(path, store);
  } finally {
    await store.close().catch(() => {});
    await Deno.remove(dir, { recursive: true });
  }
}

/** A lane that is parked, and one that is due. */
async function parkOne(store: Store): Promise<void> {
  const opened = (id: typeof ID): Entry => ({ kind: "open", ...id, charged: 0n });
  await store.write([opened(ID), ...sale(1), settle(1n), opened(OTHER)], "disk");
  await store.checkpoint();
  await store.write(sale(2, 5n, OTHER), "disk");
  await store.checkpoint();
  assert.deepEqual([...lanesOf(store.book)].map(({ lane }) => lane), [OTHER_LANE]);
}

Deno.test("nothing is read ahead of a ledger that is not there", () => {
  assert.equal(readAhead("/nonexistent/ledger.db"), null);
});

Deno.test("who takes over has what came since, and lanes that were parked as it read ahead", () =>
  inFile(async (path, store) => {
    await parkOne(store);
    const ahead = readAhead(path)!;
    assert.deepEqual([...lanesOf(ahead.book)].map(({ lane }) => lane), [OTHER_LANE]);
    // The one before uses the parked lane, keeps it twice, and parks it again.
    await store.write([...sale(3), settle(2n)], "disk");
    for (const _ of ["kept", "parked"]) await store.checkpoint();
    await store.write(sale(4), "handed over");
    await store.close(true);
    const next = await openStore(path, () => NOW_MS, { isInUse: true, ahead }, KEEPING);
    ahead.close();
    const { book, names } = replayed(readJournal(path, {}));
    assert.deepEqual(imageOf(next.book, names, 0n), imageOf(book, names, 0n));
    assert.equal(laneOf(next.book, PAYER, LANE)?.charged, 3n);
    await next.close();
  }));

Deno.test("where rows that came since are gone, all is read anew", () =>
  inFile(async (path, store) => {
    await store.write([{ kind: "open", ...ID, charged: 0n }], "disk");
    const ahead = readAhead(path)!;
    await store.write([...sale(1), ...sale(2)], "disk");
    await store.checkpoint();
    const low = store.low();
    assert.equal(low, 5);
    for (const kept of [5, 6]) {
      await store.write([{ kind: "release", ...ID, ...await held(store), reason: "test" }], "disk");
      await store.close(true);
      const database = new DatabaseSync(path);
      database.exec(`DELETE FROM journal WHERE seq < ${kept} AND seq <= ${low}`);
      database.close();
      store = await openStore(path, () => NOW_MS, { isInUse: true, ahead }, KEEPING);
      assert.equal(laneOf(store.book, PAYER, LANE)?.charged, 2n);
    }
    ahead.close();
    await store.close();
  }));

async function held(store: Store): Promise<{ reservation: number }> {
  const reservation = store.book.nextReservation++;
  await store.write([{ kind: "reserve", ...ID, reservation, cid: CID, price: 5n }], "disk");
  return { reservation };
}

Deno.test("a ledger without a row left goes on with the number behind its last", () =>
  inFile(async (path, store) => {
    await parkOne(store);
    await store.close();
    const database = new DatabaseSync(path);
    database.exec("DELETE FROM journal");
    database.close();
    const next = await openStore(path, () => NOW_MS, IN_USE, KEEPING);
    assert.equal(next.entries(), 7);
    assert.equal(next.book.nextReservation, 3);
    assert.equal(next.book.unsettledAmount, 5n);
    await next.write(sale(3), "handed over");
    assert.deepEqual(readJournal(path, {}).map(({ seq }) => seq), [8, 9]);
    assert.equal(laneOf(next.book, PAYER, LANE)?.charged, 2n);
    await next.close();
    const last = await openStore(path, () => NOW_MS, IN_USE, KEEPING);
    assert.equal(last.entries(), 9);
    assert.equal(laneOf(last.book, PAYER, LANE)?.charged, 2n);
    await last.close();
  }));

Deno.test("a provider that ends before its first checkpoint leaves a ledger of rows alone", () =>
  inFile(async (path, store) => {
    await store.write([{ kind: "open", ...ID, charged: 0n }], "disk");
    await store.close();
    const database = new DatabaseSync(path);
    assert.equal(database.prepare("PRAGMA user_version").get()!.user_version, 2);
    database.close();
    const next = await openStore(path, () => NOW_MS, IN_USE, KEEPING);
    await next.checkpoint();
    await next.write(sale(1), "handed over");
    await next.close();
    const last = await openStore(path, () => NOW_MS, IN_USE, KEEPING);
    assert.equal(last.low(), 3, "and one that had a checkpoint before makes a last one");
    await last.close();
  }));

Deno.test("a ledger of rows alone is read as it is, and kept on once its lanes are complete", () =>
  inFile(async (path, store) => {
    await parkOne(store);
    await store.close();
    const database = new DatabaseSync(path);
    const version = () => database.prepare("PRAGMA user_version").get()!.user_version;
    database.exec(`
      DROP TABLE lanes; DROP TABLE accounts; DROP TABLE checkpoint; PRAGMA user_version = 2
    `);
    const ahead = readAhead(path)!;
    assert.equal(laneOf(ahead.book, PAYER, LANE)?.settled, 1n);
    ahead.close();
    const next = await openStore(path, () => NOW_MS, IN_USE, KEEPING);
    assert.equal(next.low(), 0);
    assert.equal(version(), 2, "the release before can still go on with it");
    await next.checkpoint();
    assert.deepEqual([next.low(), version()], [7, 3]);
    database.close();
    await next.close();
  }));

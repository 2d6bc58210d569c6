/** All that a book says, wherever its lanes are, to be compared with what another says. */
import { DatabaseSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import {
  type Account,
  accountOf,
  apply,
  type Book,
  emptyBook,
  type Lane,
  laneOf,
} from "../lib/provider/ledger/journal.ts";
import { readBook } from "../lib/provider/ledger/book_reader.ts";
import { fromRow, type Recorded, type StoredRow } from "../lib/provider/ledger/codec.ts";
import { handedOver, handedOverText } from "../lib/provider/ledger/handed_over.ts";
import { newestIn } from "../lib/provider/ledger/journal_table.ts";

/** Of each lane and payer in `names`, and the sums. Lanes that are parked come back for it. */
export function imageOf(
  book: Book,
  names: ReadonlyMap<Address, ReadonlySet<Hex>>,
  finalBlock: bigint,
) {
  const lanes = [...names].flatMap(([payer, own]) =>
    [...own].map((lane) => laneImage(laneOf(book, payer, lane)))
  );
  const { nextReservation, outstandingLanes, refusedLanes, heldAmount } = book;
  const { unsettledAmount, refusedAmount } = book;
  return {
    lanes,
    accounts: [...names.keys()].map((payer) => accountImage(accountOf(book, payer), finalBlock)),
    reservations: new Map([...book.reservations].map(([number, { payer, lane, cid, price }]) => [
      number,
      { payer, lane, cid, price },
    ])),
    due: namesOf(book.due),
    sums: { nextReservation, outstandingLanes, refusedLanes, heldAmount, unsettledAmount },
    refusedAmount,
  };
}

function laneImage(lane: Lane | undefined) {
  return lane && { ...lane, reserved: [...lane.reserved].sort() };
}

function accountImage(account: Account | undefined, finalBlock: bigint) {
  if (account === undefined) return undefined;
  const { opened, charged, held, settled, prepaid, unsettledAmount, open, uneven } = account;
  const lately = namesOf(account.settledLately?.above(finalBlock) ?? []);
  const sums = { opened, charged, held, settled, prepaid, unsettledAmount, open };
  return { ...sums, uneven: namesOf(uneven), lately };
}

function namesOf(lanes: Iterable<Lane>): Set<string> {
  return new Set([...lanes].map(({ payer, lane }) => `${payer}:${lane}`));
}

/** What entries amount to, by themselves. */
export function replayed(entries: Iterable<Recorded>) {
  const book = emptyBook();
  const names = new Map<Address, Set<Hex>>();
  for (const entry of entries) {
    apply(book, entry, entry.at.getTime());
    const own = names.get(entry.payer) ?? new Set<Hex>();
    names.set(entry.payer, own.add(entry.lane));
  }
  return { book, names };
}

/** What a start would find in the ledger at `path`, and what replaying its whole journal gives. */
export function bothImages(path: string, finalBlock: bigint) {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.exec("PRAGMA temp_store = MEMORY");
    showHandedOver(database, handedOverText(path));
    const read = readBook(database);
    const rows = database.prepare("SELECT * FROM journal ORDER BY seq").all();
    const { book, names } = replayed(rows.map((row) => fromRow(row as unknown as StoredRow)));
    return {
      found: imageOf(read.book, names, finalBlock),
      expected: imageOf(book, names, finalBlock),
      entries: read.seq,
    };
  } finally {
    database.close();
  }
}

/** Has rows that were only handed over show up in `journal`, for this connection. */
function showHandedOver(database: DatabaseSync, text: string): void {
  const batch = handedOver(text, newestIn(database));
  if (batch === null) return;
  database.exec("CREATE TEMP TABLE handed_over AS SELECT * FROM main.journal LIMIT 0");
  const insert = database.prepare("INSERT INTO handed_over VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const [at, row] of batch.rows.entries()) insert.run(batch.seq + at, ...row);
  database.exec(`
    CREATE TEMP VIEW journal AS
    SELECT * FROM main.journal UNION ALL SELECT * FROM temp.handed_over
  `);
}

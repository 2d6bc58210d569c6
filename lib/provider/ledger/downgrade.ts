/**
 * The way back: makes a ledger one that the release before reads, whose rows say everything. Where
 * all rows are there, nothing but what is kept beside them goes. Where some have gone, each lane is
 * written down anew, by entries that come to what it is; the rows that were left stay in a table of
 * their own, for whoever looks back.
 */
import { DatabaseSync } from "node:sqlite";
import { zeroHash } from "viem";
import type { CidText } from "../../cid.ts";
import { breathe } from "../../slices.ts";
import { inTransaction } from "../../transaction.ts";
import { putBack } from "./archive/put_back.ts";
import { toRow } from "./codec.ts";
import type { Entry } from "./entries.ts";
import { prepare } from "./journal_table.ts";
import type { Lane } from "./lane.ts";
import { LaneTable, markIn } from "./lane_table.ts";
import { openStore } from "./store.ts";
import { assertLedgerVersion, ROWS_VERSION } from "./version.ts";

/** Where rows are that can't be replayed, as those before them are gone. */
const LEFT_ROWS = "journal_left";
/** What the release before knows. */
const ROW_TABLES: readonly string[] = ["journal", "receipted", LEFT_ROWS];

/** Of runs whose rows are gone. */
const NO_CID = "" as CidText;

/** What was done. */
export interface Downgraded {
  /** What the ledger is now. */
  readonly version: number;
  /** How many entries were written in the place of those that are gone; 0: none is. */
  readonly written: number;
}

/**
 * Nobody else may have the ledger at `path` open. Killed in the middle it is as before, or done.
 * @throws Error when the disk does not take it
 */
export async function downgrade(path: string): Promise<Downgraded> {
  assertLedgerVersion(path);
  const store = await openStore(path);
  // What a crash left held is free by now, so that nothing is.
  const last = store.entries();
  await store.checkpoint().finally(() => store.close());
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA synchronous = FULL");
    await putBack(database, path, breathe);
    return inTransaction(database, () => {
      const written = isWhole(database, last) ? 0 : writeAnew(database, last);
      for (const table of tablesOf(database)) {
        if (!ROW_TABLES.includes(table)) database.exec(`DROP TABLE "${table}"`);
      }
      database.exec(`PRAGMA user_version = ${ROWS_VERSION}`);
      return { version: ROWS_VERSION, written };
    });
  } finally {
    database.close();
  }
}

function isWhole(database: DatabaseSync, last: number): boolean {
  const { count } = database.prepare("SELECT COUNT(*) AS count FROM journal").get() as {
    count: number;
  };
  return count === last;
}

function writeAnew(database: DatabaseSync, last: number): number {
  database.exec(`
    CREATE TABLE IF NOT EXISTS ${LEFT_ROWS} AS SELECT * FROM journal LIMIT 0;
    INSERT INTO ${LEFT_ROWS} SELECT * FROM journal;
    DELETE FROM journal;
  `);
  const insert = prepare(database, 1);
  let seq = last;
  let { nextReservation } = markIn(database);
  let some: Lane | null = null;
  const write = ({ entry, at }: Timed) => void insert.run(++seq, ...toRow(entry, at));
  for (const { lane } of new LaneTable(database).all()) {
    entriesOf(some = lane, () => nextReservation++).forEach(write);
  }
  if (some !== null) noSale(some, nextReservation).forEach(write);
  return seq - last;
}

function tablesOf(database: DatabaseSync): string[] {
  const names = database.prepare(`
    SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
  `).all();
  return names.map(({ name }) => String(name));
}

/** An entry, and when it was written, ms since the epoch. */
interface Timed {
  readonly entry: Entry;
  readonly at: number;
}

/**
 * Entries that come to what the lane is, on which nothing is held. What was charged and settled
 * before counts as taken before the lane was opened.
 * @param takeNumber a number of a reservation that was never given
 */
export function entriesOf(lane: Lane, takeNumber: () => number): Timed[] {
  const { payer, lane: id, charged, settled, openedAt, settledBlock, refused } = lane;
  const name = { payer, lane: id };
  // With its last price: should a reorganisation take the settlement back, it is due at that.
  const isUsed = lane.segments.length > 0;
  const from = !isUsed ? charged : settled < charged ? settled : charged - 1n;
  const settle: Entry = {
    kind: "settle",
    ...name,
    settled,
    block: settledBlock,
    transaction: null,
  };
  const before: Entry[] = [{ kind: "open", ...name, charged: from }, ...permitsOf(lane)];
  const isDue = settled === from && charged > from;
  if (isDue) before.push(settle);
  const timed = before.map((entry): Timed => ({ entry, at: openedAt }));
  for (let counter = from + 1n; counter <= charged; counter++) {
    timed.push(...sale(lane, counter, takeNumber()));
  }
  if (!isDue) timed.push({ entry: settle, at: openedAt });
  if (refused !== null) timed.push({ entry: refusal(lane, refused), at: openedAt });
  return timed;
}

/**
 * So that the lane keeps just its own: a refusal has the others go, which only prove what was
 * charged.
 */
function permitsOf(lane: Lane): Entry[] {
  const { payer, lane: id, permits, usedUp: { best, next } } = lane;
  const name = { payer, lane: id };
  const own = new Set(permits.map(({ permit }) => permit));
  const others = [...best === null ? [] : [best], ...next].filter((permit) => !own.has(permit));
  return [
    ...others.map((permit): Entry => ({ kind: "permit", ...name, permit })),
    ...others.length === 0 ? [] : [refusal(lane, "replaced")],
    ...permits.map(({ permit, signer }): Entry => (
      { kind: "permit", ...name, permit, ...signer === null ? {} : { signer } }
    )),
  ];
}

function refusal({ payer, lane, charged }: Lane, reason: string): Entry {
  return { kind: "skip", payer, lane, charged, reason, transaction: zeroHash };
}

/** The run that took the lane's counter to `counter`; which deployment's it was nobody knows. */
function sale(lane: Lane, counter: bigint, reservation: number): Timed[] {
  const { payer, lane: id, segments, ages, openedAt } = lane;
  const { price } = segments.find(({ upTo }) => upTo >= counter)!;
  const at = ages.findLast(({ beyond }) => beyond < counter)?.at ?? openedAt;
  const run = { payer, lane: id, reservation };
  return [
    { entry: { kind: "reserve", ...run, cid: NO_CID, price }, at },
    { entry: { kind: "charge", ...run, outcome: "answered" }, at },
  ];
}

/** Takes a number, so that no receipt of an earlier run is told of a later one. */
function noSale({ payer, lane, openedAt: at }: Lane, reservation: number): Timed[] {
  const run = { payer, lane, reservation };
  return [
    { entry: { kind: "reserve", ...run, cid: NO_CID, price: 0n }, at },
    { entry: { kind: "release", ...run, reason: "downgrade" }, at },
  ];
}

import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { entriesOf as entriesIn, next, SMALL } from "../../../worlds/long_journal.ts";
import { seededRandom } from "../../../worlds/random.ts";
import fc from "fast-check";
import type { Hex } from "viem";
import {
  CID,
  ID,
  LANE,
  NOW_MS,
  OTHER_LANE,
  OTHER_PAYER,
  PAYER,
  permitOf,
  RUN,
  sale,
  signatureOf,
  TRANSACTION,
} from "../../../worlds/ledger.ts";
import { downgrade } from "./downgrade.ts";
import { fromRow, type StoredRow } from "./codec.ts";
import { dueLane } from "./due_lane.ts";
import {
  accountOf,
  apply,
  type Book,
  type ChargeEntry,
  emptyBook,
  type Entry,
  type LaneId,
  laneOf,
  unsettledAmount,
} from "./journal.ts";
import { openStore, readJournal } from "./store.ts";

const NAMES: LaneId[] = [PAYER, OTHER_PAYER].flatMap((payer) =>
  [LANE, OTHER_LANE].map((lane) => ({ payer, lane }))
);

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await work(join(dir, "ledger.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** As the release before reads it: by its rows alone. */
function replayedAlone(path: string): { book: Book; version: number; tables: Set<string> } {
  const database = new DatabaseSync(path);
  try {
    const book = emptyBook();
    for (const row of database.prepare("SELECT * FROM journal ORDER BY seq").all()) {
      const entry = fromRow(row as unknown as StoredRow);
      apply(book, entry, entry.at.getTime());
    }
    const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    const { user_version } = database.prepare("PRAGMA user_version").get()!;
    return {
      book,
      version: Number(user_version),
      tables: new Set(tables.map(({ name }) => String(name))),
    };
  } finally {
    database.close();
  }
}

/** What counts of a lane, once what is settled for good is forgotten. */
function accountsOf(book: Book) {
  const lanes = NAMES.map(({ payer, lane: id }) => {
    const lane = laneOf(book, payer, id);
    if (lane === undefined) return null;
    const { charged, held, settled, settledBlock, permits, refused, openedAt, listed } = lane;
    const owed = { amount: unsettledAmount(lane), since: lane.ages[0]?.at ?? null };
    const due = book.due.has(lane) ? dueLane(lane) : null;
    const proof = lane.usedUp.best !== null && lane.usedUp.best.credits <= charged;
    const counters = { charged, held, settled, settledBlock, refused, openedAt, listed };
    return { ...counters, permits, owed, due, proof };
  });
  const payers = [PAYER, OTHER_PAYER].map((payer) => {
    const account = accountOf(book, payer);
    if (!account) return null;
    const { charged, settled, held, prepaid, open, unsettledAmount } = account;
    return { charged, settled, held, prepaid, open, unsettledAmount };
  });
  const { outstandingLanes, refusedLanes, heldAmount, refusedAmount } = book;
  return { lanes, payers, outstandingLanes, refusedLanes, heldAmount, refusedAmount };
}

const step = fc.record({
  do: fc.constantFrom(
    ...(["sale", "sale", "sale", "permit", "settle", "level", "refuse", "hold"] as const),
  ),
  name: fc.constantFrom(...NAMES),
  amount: fc.bigInt(1n, 4n),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function entriesFor({ do: what, name, amount }: Step, book: Book): Entry[] {
  const lane = laneOf(book, name.payer, name.lane);
  if (!lane) return [{ kind: "open", ...name, charged: amount - 1n }];
  const settle = (settled: bigint): Entry => (
    { kind: "settle", ...name, settled, block: amount, transaction: TRANSACTION }
  );
  const reservation = book.nextReservation;
  switch (what) {
    case "sale":
      return sale(reservation, amount, name);
    case "hold":
      return [{ kind: "reserve", ...name, reservation, cid: CID, price: amount }];
    case "permit": {
      const credits = lane.charged + lane.held + amount;
      const deadline = NOW_MS_SECONDS + amount * 1_000n;
      const permit = permitOf({ ...name, credits, deadline, signature: nextSignature() });
      return [{ kind: "permit", ...name, permit, signer: name.payer }];
    }
    case "settle":
      return [settle(lane.settled + amount)];
    case "level":
      return [settle(lane.charged)];
    case "refuse": {
      const reason = "NoCredits";
      return [{ kind: "skip", ...name, charged: lane.charged, reason, transaction: TRANSACTION }];
    }
  }
}

const NOW_MS_SECONDS = BigInt(NOW_MS) / 1_000n;
let signatures = 0;
const nextSignature = (): Hex => signatureOf(++signatures);

for (const gone of [false, true]) {
  const which = gone ? "some of whose rows are gone" : "whose rows are all there";
  Deno.test(`the release before reads a ledger ${which} by its rows, and finds the same`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30, size: "max" }),
        (steps) => inFolder((path) => goBack(path, steps, gone)),
      ),
      { numRuns: 12 },
    );
  });
}

async function goBack(path: string, steps: readonly Step[], gone: boolean): Promise<void> {
  let clock = NOW_MS;
  const keeping = { finalBlock: () => 3n };
  const store = await openStore(path, () => clock, undefined, keeping);
  for (const each of steps) {
    clock += 3_000;
    await store.write(entriesFor(each, store.book), "handed over");
    if (each.do === "permit") await store.checkpoint();
  }
  await store.close();
  // The next start releases what is held.
  const next = await openStore(path, () => clock, undefined, keeping);
  const expected = accountsOf(next.book);
  const { nextReservation } = next.book;
  await next.close();
  if (gone) {
    const database = new DatabaseSync(path);
    database.exec("DELETE FROM journal WHERE seq <= (SELECT low FROM checkpoint) - 2");
    database.close();
  }
  const { written } = await downgrade(path);
  const { book, version, tables } = replayedAlone(path);
  assert.deepEqual(accountsOf(book), expected);
  assert.equal(version, 2);
  assert.ok(!tables.has("lanes") && !tables.has("checkpoint"));
  assert.equal(tables.has("journal_left"), written > 0);
  assert.ok(book.nextReservation >= nextReservation, "a number is given twice");
  // And forth again.
  const again = await openStore(path, () => clock);
  assert.deepEqual(accountsOf(again.book), expected);
  await again.close();
}

Deno.test("no receipt of an earlier run is told of a later one after the way back", () =>
  inFolder(async (path) => {
    const store = await openStore(path, () => NOW_MS);
    const facts = { ...RUN, cid: CID, price: 5n, charged: 1n };
    const [reserve, charge] = sale(1) as [Entry, ChargeEntry];
    await store.write(
      [{ kind: "open", ...ID, charged: 0n }, reserve, { ...charge, facts }],
      "disk",
    );
    await store.write([{
      kind: "settle",
      ...ID,
      settled: 1n,
      block: 1n,
      transaction: TRANSACTION,
    }], "disk");
    assert.ok(store.receipted(1));
    await store.checkpoint();
    await store.close();
    const database = new DatabaseSync(path);
    database.exec("DELETE FROM journal WHERE seq < 3");
    database.close();
    await downgrade(path);
    const { book } = replayedAlone(path);
    assert.ok(book.nextReservation > 1);
    const again = await openStore(path, () => NOW_MS);
    assert.equal(again.receipted(1), undefined);
    await again.close();
  }));

Deno.test("rows that were put away come back first, as they were", () =>
  inFolder(async (path) => {
    const keeping = { policy: { rows: 100, archiveBytes: Infinity, receiptBytes: Infinity } };
    const store = await openStore(path, () => NOW_MS, undefined, { ...keeping, layout: SMALL });
    const customers = { payers: 3, deployments: 2, receipts: 0.5 };
    const entries = entriesIn(seededRandom("put away"), customers);
    await store.write(next(entries, 500), "disk");
    await store.checkpoint();
    await store.maintain(store.low());
    await store.close();
    const before = readJournal(path, {});
    const rowsIn = () => {
      const database = new DatabaseSync(path, { readOnly: true });
      const { rows } = database.prepare("SELECT COUNT(*) AS rows FROM journal").get()!;
      database.close();
      return rows as number;
    };
    assert.ok(rowsIn() < 250, "some are in the archive");
    const { written } = await downgrade(path);
    assert.equal(written, 0);
    assert.ok(rowsIn() >= before.length);
    const { version, tables } = replayedAlone(path);
    assert.equal(version, 2);
    assert.deepEqual([...tables].filter((name) => !name.startsWith("sqlite")).sort(), [
      "journal",
      "receipted",
    ]);
    assert.deepEqual(readJournal(path, {}).slice(0, before.length), before);
  }));

import assert from "node:assert/strict";
import { entriesOf, next } from "../../../../worlds/long_journal.ts";
import { inFolder } from "../../../../worlds/home.ts";
import {
  ledgerPath,
  linesFrom,
  sourceIn,
  targetIn,
  WHOSE,
  writeExport,
} from "../../../../worlds/moved_ledger.ts";
import { seededRandom } from "../../../../worlds/random.ts";
import type { ArchivePolicy } from "../archive/archiver.ts";
import { proveJournal } from "../archive/proof.ts";
import type { Entry } from "../entries.ts";
import { openStore } from "../store.ts";
import type { ChargeLine, GoneLine } from "./format.ts";
import { importLedger } from "./import.ts";

const LAYOUT = { blockRows: 8, spanRows: 64, segmentRows: 128 };
const CUSTOMERS = { payers: 3, deployments: 2, receipts: 0.3 };
const ROWS = 900;
const isCharge = (line: readonly unknown[]): line is ChargeLine => line[0] === "charge";

/** A ledger whose oldest rows are in its archive, or gone. @returns what was written */
async function writeLedger(path: string, policy: Partial<ArchivePolicy>): Promise<Entry[]> {
  const entries = next(entriesOf(seededRandom("moving"), CUSTOMERS), ROWS);
  await tend(path, policy, entries);
  return entries;
}

/** Has a ledger written on and archived. */
async function tend(
  path: string,
  policy: Partial<ArchivePolicy>,
  entries: readonly Entry[] = [],
): Promise<void> {
  const store = await openStore(path, () => 1_000, undefined, {
    layout: LAYOUT,
    policy: { rows: 100, archiveBytes: Infinity, receiptBytes: Infinity, ...policy },
    rest: () => Promise.resolve(),
  });
  await store.write(entries, "disk");
  await store.checkpoint();
  for (let rounds = 0; rounds < 2; rounds++) await store.maintain(store.low());
  const { isFailing, archiveBytes } = store.upkeep();
  assert.deepEqual([isFailing, archiveBytes > 0], [false, true]);
  await store.close();
}

/** Each charge, by its number: its lane's counter, its price, and whether it has a receipt. */
function chargesIn(entries: readonly Entry[]) {
  const counters = new Map<string, bigint>();
  const prices = new Map<number, bigint>();
  const charges = new Map<number, readonly [string, string, boolean]>();
  for (const entry of entries) {
    if (entry.kind === "reserve") prices.set(entry.reservation, entry.price);
    if (entry.kind !== "charge") continue;
    const { lane, reservation, facts } = entry;
    counters.set(lane, (counters.get(lane) ?? 0n) + 1n);
    const price = facts?.price ?? prices.get(reservation)!;
    charges.set(reservation, [String(counters.get(lane)), String(price), facts !== undefined]);
  }
  return charges;
}

const toldIn = (lines: readonly ChargeLine[]) =>
  new Map(lines.map(([, number, , , charged, price, , , facts]) => [
    number,
    [charged, price, facts !== null],
  ]));

Deno.test("charges in the archive are told as those in the table, each with its lane's counter", () =>
  inFolder(async (dir) => {
    const entries = await writeLedger(ledgerPath(dir), {});
    const source = await sourceIn(dir);
    const charges = (await linesFrom(source)).filter(isCharge);
    await source.close();
    assert.deepEqual(toldIn(charges), chargesIn(entries));
    assert.ok(charges.every(([, , , , , , cid]) => cid !== ""));
  }));

Deno.test("of charges that are gone the receipts are told and the rest is counted, from store to store", () =>
  inFolder(async (dir) => {
    const [book, other] = [`${dir}/book`, `${dir}/other`];
    for (const each of [book, other]) await Deno.mkdir(each);
    const entries = await writeLedger(ledgerPath(book), { archiveBytes: 0 });
    const source = await sourceIn(book);
    const lines = await linesFrom(source);
    const all = chargesIn(entries);
    const told = toldIn(lines.filter(isCharge));
    assert.ok(told.size < all.size);
    for (const [number, charge] of all) {
      if (told.has(number) || charge[2]) assert.deepEqual(told.get(number), charge);
    }
    const gone = lines.at(-1) as GoneLine;
    assert.deepEqual(gone.slice(0, 2), ["gone", all.size - told.size]);

    await writeExport(`${dir}/file`, source);
    await source.close();
    await importLedger(`${dir}/file`, targetIn(other, LAYOUT), WHOSE);
    // And once its rows are in an archive of its own.
    await tend(ledgerPath(other), {});
    const back = await sourceIn(other);
    assert.deepEqual(await linesFrom(back), lines);
    await back.close();
    assert.ok((await proveJournal(ledgerPath(other))).archived > 0);
  }));

Deno.test("what a crash left held is not told, and holding it again takes another number", () =>
  inFolder(async (dir) => {
    const path = ledgerPath(dir);
    const entries = await writeLedger(path, {});
    const left = entries.filter(({ kind }) => kind === "reserve").length -
      entries.filter(({ kind }) => kind === "charge" || kind === "release").length;
    assert.ok(left > 0);
    const source = await sourceIn(dir);
    const numbers = entries.flatMap((entry) => entry.kind === "reserve" ? entry.reservation : []);
    assert.equal((await source.next()).reservation, Math.max(...numbers) + 1);
    for (const line of await linesFrom(source)) {
      if (line[0] === "lane") assert.deepEqual(line[3].held, []);
    }
    await source.close();
  }));

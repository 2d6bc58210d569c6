import assert from "node:assert/strict";
import { join } from "node:path";
import {
  cidAt,
  entriesOf,
  laneAt,
  LongJournal,
  next,
  payerAt,
} from "../../../../worlds/long_journal.ts";
import { inFolder } from "../../../../worlds/home.ts";
import { type Random, seededRandom } from "../../../../worlds/random.ts";
import { pause } from "../../../pause.ts";
import { fromRow, type Recorded, storedRow, toRow } from "../codec.ts";
import type { Entry } from "../entries.ts";
import { type JournalFilter, readJournal, streamJournal } from "../journal_reader.ts";
import type { ArchivePolicy } from "./archiver.ts";
import type { Maintenance } from "./maintenance.ts";
import { archiveDir, bordersOf } from "./schema.ts";

const CUSTOMERS = { payers: 4, deployments: 3, receipts: 0.4 };
const KEEP_ALL: ArchivePolicy = { rows: 10, archiveBytes: Infinity, receiptBytes: Infinity };

/** What a reader is to find. */
function expected(entries: readonly Entry[], filter: JournalFilter, dropped = 0): Recorded[] {
  const { payer, lane, cid, since } = filter;
  const runs = new Set<number>();
  return entries.flatMap((entry, index) => {
    const seq = index + 1;
    if (entry.kind === "reserve" && entry.cid === cid) runs.add(entry.reservation);
    const isRuns = "reservation" in entry && runs.has(entry.reservation);
    const isWanted = (payer === undefined || payer === entry.payer) &&
      (lane === undefined || lane === entry.lane) &&
      (cid === undefined || isRuns) &&
      LongJournal.at(seq) >= (since?.getTime() ?? 0);
    const row = storedRow(seq, toRow(entry, LongJournal.at(seq)));
    return isWanted && seq > dropped ? [fromRow(row)] : [];
  });
}

function filters(random: Random, length: number): JournalFilter[] {
  const [payer, cid] = [random.between(0, 4), random.between(0, 3)];
  const since = new Date(LongJournal.at(random.between(1, length)));
  return [
    {},
    { payer: payerAt(payer) },
    { lane: laneAt(payer, cid) },
    { cid: cidAt(cid) },
    { since },
    { payer: payerAt(payer), cid: cidAt(cid), since },
    { lane: laneAt(payer, cid), since },
  ];
}

function assertReads(journal: LongJournal, random: Random, path = journal.path): void {
  const { dropped } = bordersOf(journal.table.database) ?? { dropped: 0 };
  for (const filter of filters(random, journal.entries.length)) {
    if (random.chance(0.6)) continue;
    const found = readJournal(path, filter);
    assert.deepEqual(found, expected(journal.entries, filter, dropped), JSON.stringify(filter));
  }
}

function assertReceipts(journal: LongJournal, maintenance: Maintenance): void {
  for (const entry of journal.entries) {
    if (entry.kind !== "charge") continue;
    const { reservation } = entry;
    const row = journal.table.receipted(reservation) ?? maintenance.receipt(reservation);
    const found = row && fromRow(row);
    const facts = found?.kind === "charge" ? found.facts : undefined;
    assert.deepEqual(facts, entry.facts);
  }
}

Deno.test("whatever is archived, each reader finds what was written, once and in order", () =>
  inFolder(async (dir) => {
    const random = seededRandom("archive");
    for (let history = 0; history < 4; history++) {
      const journal = await LongJournal.open(await pathIn(dir, history));
      const source = entriesOf(random, CUSTOMERS);
      const policy = { ...KEEP_ALL, rows: random.between(0, 150) };
      const maintenance = journal.maintenance({ policy });
      let low = 0;
      for (let round = 0; round < 6; round++) {
        journal.write(next(source, random.between(1, 200)));
        journal.write(next(source, random.between(1, 5)), false);
        assertReads(journal, random);
        low = Math.max(low, random.between(0, journal.table.newest()));
        await maintenance.round(low);
        assert.ok(bordersOf(journal.table.database)!.archived <= low, "a start needs the rest");
        assertReads(journal, random);
      }
      assertReceipts(journal, maintenance);
      journal.close();
    }
  }));

async function pathIn(dir: string, number: number): Promise<string> {
  await Deno.mkdir(`${dir}/${number}`);
  return `${dir}/${number}/ledger.db`;
}

class Crash extends Error {}

/** How a machine finds the files when it comes back. */
async function copyOf(path: string, dir: string): Promise<string> {
  await Deno.mkdir(join(dir, "archive"), { recursive: true });
  for (const end of ["", "-wal", "-handed-over"]) {
    await Deno.copyFile(path + end, `${dir}/ledger.db${end}`);
  }
  for await (const { name } of Deno.readDir(archiveDir(path))) {
    await Deno.copyFile(join(archiveDir(path), name), join(dir, "archive", name));
  }
  return `${dir}/ledger.db`;
}

Deno.test("a crash at any step loses nothing, has nothing twice and leaves no file behind", () =>
  inFolder(async (dir) => {
    const random = seededRandom("archive crashes");
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    const source = entriesOf(random, CUSTOMERS);
    await Deno.mkdir(archiveDir(journal.path));
    const size = 3_000;
    const policy = { rows: 20, archiveBytes: size, receiptBytes: Infinity };
    let crashes = 0;
    for (let life = 0; life < 70; life++) {
      journal.write(next(source, 14));
      let slices = random.between(0, 40);
      const rest = () => {
        if (slices-- === 0) throw new Crash();
        return Promise.resolve();
      };
      let trouble: unknown = null;
      const onTrouble = (error: unknown) => trouble = error;
      await journal.maintenance({ policy, rest, onTrouble }).round(journal.table.newest());
      assert.ok(trouble === null || trouble instanceof Crash, String(trouble));
      if (trouble) crashes++;
      const copy = await copyOf(journal.path, `${dir}/life-${life}`);
      assertReads(journal, random, copy);
    }
    assert.ok(crashes > 15, `${crashes} crashes`);
    const { database } = journal.table;
    assert.ok(bordersOf(database)!.dropped > 0, "the oldest went");
    const whole = journal.maintenance({ policy });
    await whole.round(journal.table.newest());
    await journal.maintenance({ policy }).round(journal.table.newest());
    assertReceipts(journal, whole);
    const files = await Array.fromAsync(Deno.readDir(archiveDir(journal.path)));
    const named = database.prepare("SELECT count(*) AS n FROM segments").get()!.n;
    assert.equal(files.length, named);
    journal.close();
  }));

Deno.test("a round that fails is told until one succeeds, and what the archive takes is known", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("archive trouble"), CUSTOMERS), 200));
    // Where a folder is to be.
    await Deno.writeTextFile(archiveDir(journal.path), "");
    const troubles: unknown[] = [];
    const onTrouble = (error: unknown) => troubles.push(error);
    const maintenance = journal.maintenance({ policy: KEEP_ALL, onTrouble });
    const round = () => maintenance.round(journal.table.newest());
    await round();
    assert.deepEqual([troubles.length, maintenance.isFailing], [1, true]);
    assert.equal(maintenance.archiveBytes, 0);
    await Deno.remove(archiveDir(journal.path));
    await round();
    assert.deepEqual([troubles.length, maintenance.isFailing], [1, false]);
    let bytes = 0;
    for await (const { name } of Deno.readDir(archiveDir(journal.path))) {
      bytes += (await Deno.stat(join(archiveDir(journal.path), name))).size;
    }
    assert.ok(bytes > 0);
    assert.equal(maintenance.archiveBytes, bytes);
    journal.close();
  }));

Deno.test("a reader that takes its time sees each row once, while rows move beneath it", () =>
  inFolder(async (dir) => {
    const random = seededRandom("archive readers");
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    const source = entriesOf(random, CUSTOMERS);
    journal.write(next(source, 500));
    const readers: { filter: JournalFilter; stream: Iterator<Recorded>; found: Recorded[] }[] = [];
    const begin = () => {
      for (const filter of filters(random, journal.entries.length)) {
        readers.push({ filter, stream: streamJournal(journal.path, filter), found: [] });
      }
    };
    begin();
    const turn = () => {
      for (const { stream, found } of readers) {
        if (!random.chance(0.3)) continue;
        for (let more = random.between(1, 8); more > 0; more--) {
          const { done, value } = stream.next();
          if (!done) found.push(value);
        }
      }
      return Promise.resolve();
    };
    const maintenance = journal.maintenance({ policy: { ...KEEP_ALL, rows: 30 }, rest: turn });
    for (let round = 0; round < 6; round++) {
      await maintenance.round(journal.table.newest());
      journal.write(next(source, 100), random.chance(0.5));
      begin();
    }
    for (const { filter, stream, found } of readers) {
      for (let each; !(each = stream.next()).done;) found.push(each.value);
      const all = expected(journal.entries, filter);
      assert.deepEqual(found, all.slice(0, found.length), JSON.stringify(filter));
    }
    assert.ok(bordersOf(journal.table.database)!.archived > 500);
    journal.close();
  }));

Deno.test("once it archives, the database grows no more but for its index", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    const source = entriesOf(seededRandom("archive growth"), CUSTOMERS);
    const layout = { blockRows: 64, spanRows: 512, segmentRows: 1_024 };
    const policy = { rows: 2_000, archiveBytes: 100_000, receiptBytes: 50_000 };
    const maintenance = journal.maintenance({ policy, layout });
    const pages: number[] = [];
    for (let round = 0; round < 16; round++) {
      journal.write(next(source, 1_500));
      await maintenance.round(journal.table.newest());
      const { n } = journal.table.database.prepare("SELECT page_count AS n FROM pragma_page_count")
        .get() as { n: number };
      pages.push(n);
    }
    assert.ok(pages.at(-1)! <= 1.1 * pages[5]!, String(pages));
    const files = await Array.fromAsync(Deno.readDir(archiveDir(journal.path)));
    const bytes = files.map(({ name }) => Deno.statSync(join(archiveDir(journal.path), name)).size);
    // The last that went are still there, for who has just read their names.
    assert.ok(bytes.reduce((sum, each) => sum + each, 0) < 300_000);
    journal.close();
  }));

Deno.test("where no policy is given, nothing goes, however large the archive has become", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("no policy"), CUSTOMERS), 500));
    const { database } = journal.table;
    await journal.maintenance({ policy: KEEP_ALL }).round(500);
    // As after months.
    database.exec("UPDATE segments SET bytes = bytes + 1e12");
    await journal.maintenance().round(500);
    assert.equal(bordersOf(database)!.dropped, 0);
    assert.deepEqual(readJournal(journal.path, {}), expected(journal.entries, {}));
    journal.close();
  }));

Deno.test("whose the rows of a file are is read once for all receipts that are asked of it", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("receipts"), CUSTOMERS), 500));
    const maintenance = journal.maintenance({ policy: KEEP_ALL });
    await maintenance.round(500);
    assertReceipts(journal, maintenance);
    const heads = journal.table.database.prepare("SELECT head_bytes FROM segments ORDER BY first")
      .all();
    const folder = archiveDir(journal.path);
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
    for (const [index, name] of names.entries()) {
      using file = await Deno.open(join(folder, name), { write: true });
      await file.write(new Uint8Array(heads[index]!.head_bytes as number));
    }
    assertReceipts(journal, maintenance);
    journal.close();
  }));

Deno.test("a round that is stopped in its midst writes nothing more, and the next life goes on", () =>
  inFolder(async (dir) => {
    const random = seededRandom("archive stops");
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(random, CUSTOMERS), 400));
    let slices = 0;
    let stopped: Promise<void> | null = null;
    const first = journal.maintenance({
      policy: KEEP_ALL,
      rest: () => {
        if (++slices === 20) stopped = first.stop();
        return Promise.resolve();
      },
    });
    await first.round(400);
    await stopped;
    assert.equal(slices, 20);
    assertReads(journal, random);
    await journal.maintenance({ policy: KEEP_ALL }).round(400);
    assertReads(journal, random);
    assert.ok(bordersOf(journal.table.database)!.archived > 300);
    journal.close();
  }));

const LONG_MS = 10_000;

Deno.test("who stops a round does not wait for its rest", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("rests"), CUSTOMERS), 100));
    const resting = Promise.withResolvers<void>();
    const maintenance = journal.maintenance({
      rest(_, ends) {
        resting.resolve();
        return pause(LONG_MS, ends);
      },
    });
    const round = maintenance.round(100);
    await resting.promise;
    const begunAt = performance.now();
    await maintenance.stop();
    await round;
    assert.ok(performance.now() - begunAt < LONG_MS / 2);
    journal.close();
  }));

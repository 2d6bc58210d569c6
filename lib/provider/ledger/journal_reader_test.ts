import assert from "node:assert/strict";
import { cidAt, entriesOf, LongJournal, next, payerAt } from "../../../worlds/long_journal.ts";
import { inFolder } from "../../../worlds/home.ts";
import { seededRandom } from "../../../worlds/random.ts";
import type { Entry } from "./entries.ts";
import { type JournalFilter, readJournal, streamJournal } from "./journal_reader.ts";

const LAYOUT = { blockRows: 64, spanRows: 2_048, segmentRows: 4_096 };
const ROWS = 40_000;
const RARE: readonly Entry[] = [
  { kind: "open", payer: payerAt(500), lane: `0x${"ab".repeat(32)}`, charged: 0n },
];

function counted(path: string, filter: JournalFilter) {
  const counts = { rows: 0, blocks: 0, spans: 0 };
  const found = [...streamJournal(path, filter, counts)].length;
  return { found, ...counts };
}

Deno.test("a filter reads what it finds, and not the journal", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    const customers = { payers: 100, deployments: 1, receipts: 0 };
    const source = entriesOf(seededRandom("filters"), customers);
    journal.write(next(source, ROWS));
    journal.write(RARE);
    journal.write(next(source, 4_000));
    const policy = { rows: 20_000, archiveBytes: Infinity, receiptBytes: Infinity };
    await journal.maintenance({ policy, layout: LAYOUT }).round(journal.table.newest());
    const { path } = journal;
    const rare = counted(path, { payer: payerAt(500) });
    assert.equal(rare.found, 1);
    assert.ok(rare.rows <= 1 + LAYOUT.spanRows, `${rare.rows} rows of the table`);
    assert.equal(rare.blocks, 0);
    const busy = counted(path, { payer: payerAt(7) });
    assert.ok(busy.found > ROWS / 200);
    assert.ok(busy.rows <= busy.found + LAYOUT.spanRows, `${busy.rows} rows of the table`);
    const all = counted(path, { cid: cidAt(0) });
    assert.ok(all.rows > 10_000);
    assert.ok(all.spans <= 20_000 / LAYOUT.spanRows + 3, `${all.spans} spans`);
    assert.equal(counted(path, { cid: cidAt(5) }).blocks, 0, "nobody has it");
    const since = new Date(LongJournal.at(ROWS - 1_000));
    const late = counted(path, { since });
    assert.ok(late.rows <= late.found + 2 * LAYOUT.spanRows, `${late.rows} rows of the table`);
    assert.equal(late.blocks, 0);
    journal.close();
  }));

Deno.test("the first entry is there before anything else is read, indexed or not", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(
      next(entriesOf(seededRandom("first"), { payers: 3, deployments: 1, receipts: 0 }), 9_000),
    );
    const counts = { rows: 0, blocks: 0, spans: 0 };
    const stream = streamJournal(journal.path, {}, counts);
    assert.equal(stream.next().value!.seq, 1);
    assert.ok(counts.rows <= 1_024);
    stream.return(undefined);
    assert.equal(readJournal(journal.path, {}).length, 9_000);
    journal.close();
  }));

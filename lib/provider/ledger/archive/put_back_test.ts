import assert from "node:assert/strict";
import { entriesOf, LongJournal, next, payerAt } from "../../../../worlds/long_journal.ts";
import { inFolder } from "../../../../worlds/home.ts";
import { seededRandom } from "../../../../worlds/random.ts";
import { breathe } from "../../../slices.ts";
import { readJournal } from "../journal_reader.ts";
import { proveJournal } from "./proof.ts";
import { putBack } from "./put_back.ts";

const CUSTOMERS = { payers: 3, deployments: 2, receipts: 0.5 };
const KEEP_ALL = { rows: 50, archiveBytes: Infinity, receiptBytes: Infinity };

Deno.test("what is put back is the table as it was before the archive, which can begin anew", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("back"), CUSTOMERS), 500));
    const { database } = journal.table;
    const rows = () => database.prepare("SELECT * FROM journal ORDER BY seq").all();
    const before = rows();
    await journal.maintenance({ policy: KEEP_ALL }).round(500);
    assert.ok(rows().length < 150);
    await putBack(database, journal.path, breathe);
    assert.deepEqual(rows(), before);
    await journal.maintenance({ policy: KEEP_ALL }).round(500);
    assert.ok(rows().length < 150);
    assert.equal((await proveJournal(journal.path)).rows, 500);
    assert.ok(readJournal(journal.path, { payer: payerAt(1) }).length > 0);
    journal.close();
  }));

Deno.test("where rows are gone for good, nothing is put back", () =>
  inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("gone"), CUSTOMERS), 500));
    await journal.maintenance({ policy: { ...KEEP_ALL, archiveBytes: 5_000 } }).round(500);
    const { database } = journal.table;
    const rows = () => database.prepare("SELECT * FROM journal ORDER BY seq").all();
    const before = rows();
    await putBack(database, journal.path, breathe);
    assert.deepEqual(rows(), before);
    journal.close();
  }));

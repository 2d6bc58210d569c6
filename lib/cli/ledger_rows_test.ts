/** `ledger` as it is printed: entry after entry, and to the byte what it would be all at once. */
import assert from "node:assert/strict";
import { entriesOf, LongJournal, next } from "../../worlds/long_journal.ts";
import { inFolder } from "../../worlds/home.ts";
import { seededRandom } from "../../worlds/random.ts";
import { type JournalFilter, readJournal } from "../provider/ledger/journal_reader.ts";
import { csvLines, rowsOf, textLines } from "./ledger_rows.ts";
import { createOutput, jsonText } from "./output.ts";

/** What was written, write by write. */
function heard(isJson: boolean, isBroken = () => false) {
  const writes: string[] = [];
  const sink = {
    write(bytes: Uint8Array) {
      if (isBroken()) throw new Deno.errors.BrokenPipe();
      writes.push(new TextDecoder().decode(bytes));
    },
    isTerminal: () => false,
  };
  return { writes, out: createOutput({ stdout: sink, stderr: sink }, isJson) };
}

async function withEntries(
  count: number,
  work: (read: (filter?: JournalFilter) => ReturnType<typeof readJournal>) => void,
): Promise<void> {
  await inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    const customers = { payers: 3, deployments: 2, receipts: 0.3 };
    journal.write(next(entriesOf(seededRandom("printed"), customers), count));
    journal.close();
    work((filter = {}) => readJournal(journal.path, filter));
  });
}

Deno.test("in pieces it is the same JSON, CSV and text as at once", async () => {
  for (const count of [0, 1, 2, 300]) {
    await withEntries(count, (read) => {
      const rows = [...rowsOf(read())];
      const json = heard(true);
      json.out.jsonList("entries", rowsOf(read()));
      assert.equal(json.writes.join(""), jsonText({ entries: rows }));
      const text = heard(false);
      text.out.lines(textLines(rowsOf(read())));
      assert.equal(text.writes.join("").split("\n").length, count + 1);
      const csv = heard(false);
      csv.out.lines(csvLines(rowsOf(read())));
      assert.match(csv.writes.join(""), /^seq,at,kind,/);
    });
  }
});

Deno.test("the first line goes out before the second entry is read", () =>
  withEntries(5, (read) => {
    for (const isJson of [true, false]) {
      const { writes, out } = heard(isJson);
      const entries = read();
      const watched = function* () {
        yield entries[0]!;
        assert.equal(writes.length, 1);
        yield* entries.slice(1);
      };
      if (isJson) out.jsonList("entries", rowsOf(watched()));
      else out.lines(textLines(rowsOf(watched())));
      assert.ok(writes.length > 1);
    }
  }));

Deno.test("where nobody reads on, no further entry is read", () =>
  withEntries(5_000, (read) => {
    let writes = 0;
    const { out } = heard(false, () => writes++ === 2);
    const entries = read();
    let taken = 0;
    let isClosed = false;
    function* watched() {
      try {
        for (const entry of entries) {
          taken++;
          yield entry;
        }
      } finally {
        isClosed = true;
      }
    }
    assert.throws(() => out.lines(textLines(rowsOf(watched()))), Deno.errors.BrokenPipe);
    assert.ok(isClosed && taken < entries.length, `${taken} entries`);
  }));

Deno.test("a journal that can't be read on ends its document with a message on stderr", () => {
  const { writes, out } = heard(true);
  function* torn() {
    yield { seq: 1 };
    throw new Error("torn");
  }
  assert.throws(() => out.jsonList("entries", torn()), /torn/);
  assert.throws(() => out.json({}), TypeError, "what is printed is no document any more");
  assert.ok(writes.join("").startsWith('{\n  "entries": ['));
});

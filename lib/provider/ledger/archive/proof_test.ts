import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { entriesOf, LongJournal, next } from "../../../../worlds/long_journal.ts";
import { inFolder } from "../../../../worlds/home.ts";
import { seededRandom } from "../../../../worlds/random.ts";
import { openStore } from "../store.ts";
import { proveJournal } from "./proof.ts";
import { archiveDir } from "./schema.ts";

const CUSTOMERS = { payers: 3, deployments: 2, receipts: 0.5 };

async function withJournal(
  policy: { archiveBytes: number },
  work: (path: string) => Promise<void>,
): Promise<void> {
  await inFolder(async (dir) => {
    const journal = await LongJournal.open(`${dir}/ledger.db`);
    journal.write(next(entriesOf(seededRandom("proofs"), CUSTOMERS), 500));
    const rest = { rows: 100, receiptBytes: Infinity };
    await journal.maintenance({ policy: { ...rest, ...policy } }).round(500);
    journal.close();
    await work(journal.path);
  });
}

const isDifferent = (what: RegExp) => ({ code: "file_unusable", message: what });

Deno.test("a journal is proved, whole or with its oldest rows gone, to the same sums", async () => {
  let heldWhole = 0n;
  await withJournal({ archiveBytes: Infinity }, async (path) => {
    const { rows, archived, gone, segments, held } = await proveJournal(path);
    assert.deepEqual([rows, archived, gone, segments], [500, 384, 0, 6]);
    assert.ok(held > 0n);
    heldWhole = held;
  });
  await withJournal({ archiveBytes: 0 }, async (path) => {
    const { rows, archived, gone, segments } = await proveJournal(path);
    assert.deepEqual([rows, archived, gone, segments], [116, 0, 384, 6]);
  });
  assert.ok(heldWhole > 0n);
});

Deno.test("a changed file, a missing one, a missing row and a changed row are each told", () =>
  withJournal({ archiveBytes: Infinity }, async (path) => {
    const names = (await Array.fromAsync(Deno.readDir(archiveDir(path)))).map(({ name }) => name);
    const file = join(archiveDir(path), names.sort()[1]!);
    const bytes = await Deno.readFile(file);
    const changed = bytes.slice();
    changed[changed.length - 9]! ^= 1;
    await Deno.writeFile(file, changed);
    await assert.rejects(proveJournal(path), isDifferent(/not what was written/));
    await Deno.remove(file);
    await assert.rejects(proveJournal(path), isDifferent(/can't be read/));
    await Deno.writeFile(file, bytes);
    await proveJournal(path);
    const database = new DatabaseSync(path);
    const change = (sql: string) => database.exec(sql);
    change(
      "UPDATE journal SET amount = amount + 1 WHERE seq = " +
        "(SELECT min(seq) FROM journal WHERE kind = 'reserve')",
    );
    await assert.rejects(proveJournal(path), isDifferent(/rows up to .* come to/));
    change("DELETE FROM journal WHERE seq = 450");
    await assert.rejects(proveJournal(path), isDifferent(/row 450 is missing|rows up to/));
    database.close();
  }));

Deno.test("a span that is counted by nobody yet as its end is read is not taken for the next one", () =>
  withJournal({ archiveBytes: Infinity }, async (path) => {
    const { held } = await proveJournal(path);
    using database = new DatabaseSync(path);
    database.exec("DELETE FROM spans WHERE last = 128");
    assert.equal((await proveJournal(path)).held, held);
  }));

Deno.test("a lane that is kept otherwise than the rows have it is told", async () => {
  await inFolder(async (dir) => {
    const path = `${dir}/ledger.db`;
    const store = await openStore(path);
    const entries = next(entriesOf(seededRandom("lanes"), CUSTOMERS), 300);
    await store.write(entries.slice(0, 200), "disk");
    await store.checkpoint();
    await store.write(entries.slice(200), "disk");
    await store.close(true);
    await proveJournal(path);
    using database = new DatabaseSync(path);
    const { state } = database.prepare("SELECT state FROM lanes LIMIT 1").get()!;
    const other = String(state).replace(
      /"charged":"(\d+)"/,
      (_, n) => `"charged":"${Number(n) + 1}"`,
    );
    assert.notEqual(other, state);
    database.prepare("UPDATE lanes SET state = ? WHERE state = ?").run(other, state as string);
    await assert.rejects(proveJournal(path), isDifferent(/is not kept as the rows up to \d+/));
  });
});

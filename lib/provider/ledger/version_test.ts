import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PAYER } from "../../../worlds/ledger.ts";
import { openStore, readJournal } from "./store.ts";
import { assertLedgerVersion, LEDGER_VERSION } from "./version.ts";

/** A ledger with one lane, as this version leaves it; then `edit` is done to the file. */
async function inFile(work: (path: string, edit: (sql: string) => void) => Promise<void>) {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "ledger.db");
  const edit = (sql: string) => {
    const database = new DatabaseSync(path);
    database.exec(sql);
    database.close();
  };
  try {
    const store = await openStore(path);
    const lane = `0x${"01".repeat(32)}` as const;
    await store.write([{ kind: "open", payer: PAYER, lane, charged: 0n }], "disk");
    await store.close();
    await work(path, edit);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a ledger of this version opens, and so does one that was never used", () =>
  inFile(async (path, edit) => {
    await (await openStore(path)).close();
    assert.equal(readJournal(path, {}).length, 1);
    edit("DELETE FROM journal; PRAGMA user_version = 1");
    await (await openStore(path)).close();
    assertLedgerVersion(`${path}.none`);
  }));

Deno.test("one of an earlier escrow is refused by name, with what to do, and stays as it is", () =>
  inFile(async (path, edit) => {
    edit("PRAGMA user_version = 1");
    const refusal = { code: "invalid_config", message: /kept for an earlier escrow/ };
    await assert.rejects(openStore(path), refusal);
    assert.throws(() => readJournal(path, {}), refusal);
    assert.throws(() => assertLedgerVersion(path), ({ hints }) => {
      assert.deepEqual(hints, [
        "settle what it holds with the release that wrote it",
        `then: mkdir -p ${dirname(path)}/earlier && mv ${path}* ${dirname(path)}/earlier`,
      ]);
      return true;
    });
  }));

Deno.test("one of a later release is refused too", () =>
  inFile(async (path, edit) => {
    edit(`PRAGMA user_version = ${LEDGER_VERSION + 1}`);
    await assert.rejects(openStore(path), { message: /kept by a later release \(version 4\)/ });
  }));

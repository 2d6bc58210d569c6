import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { RUN } from "../../../worlds/logged_run.ts";
import type { CidText } from "../../cid.ts";
import { openRecords } from "./records.ts";
import type { LoggedRun } from "./run_log.ts";

/** Each NUL takes six bytes as JSON: some 6 KB a run. */
const LONG: LoggedRun = { ...RUN, stderrBytes: 1_000, stderr: "\0".repeat(1_000) };

async function withFile(work: (path: string) => void): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    work(join(dir, "deployments.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("runs of ever new deployments take so much disk and no more", async () => {
  await withFile((path) => {
    for (const round of [0, 1]) {
      const records = openRecords(path, { now: () => 0, runsBytesMax: 700_000 });
      for (let index = 0; index < 200; index++) {
        records.runLog.add(`${round}-${index}` as CidText, LONG);
      }
      assert.equal(
        records.runLog.read(`${round}-0` as CidText).runs.length,
        0,
        "the oldest go first",
      );
      assert.equal(records.runLog.read(`${round}-199` as CidText).runs.length, 1);
      records.close();
    }
    assert.ok(Deno.statSync(path).size < 1_500_000);
  });
});

Deno.test("a deployment keeps its latest hundred runs", async () => {
  await withFile((path) => {
    const records = openRecords(path);
    for (let at = 0; at < 150; at++) records.runLog.add("a" as CidText, { ...LONG, at });
    records.runLog.add("b" as CidText, LONG);
    assert.deepEqual(records.runLog.read("a" as CidText).runs.map(({ at }) => at).slice(0, 2), [
      50,
      51,
    ]);
    assert.equal(records.runLog.read("b" as CidText).runs.length, 1);
    records.close();
  });
});

Deno.test("log lines that cannot be written are lost, and nothing else", async () => {
  await withFile((path) => {
    const losses: unknown[] = [];
    const records = openRecords(path, { lost: (error) => losses.push(error) });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    records.runLog.add("a" as CidText, { ...LONG, at: 1 });
    assert.deepEqual(records.runLog.read("a" as CidText).runs, []);
    assert.match(String(losses[0]), /locked/);
    other.exec("COMMIT");
    other.close();
    records.runLog.add("a" as CidText, { ...LONG, at: 2 });
    assert.deepEqual(records.runLog.read("a" as CidText).runs.map(({ at }) => at), [2]);
    assert.equal(losses.length, 1);
    records.close();
  });
});

Deno.test("a run that an older version kept is read with what it did not keep as null", async () => {
  await withFile((path) => {
    const { path: _, egress: __, ...old } = RUN;
    openRecords(path).close();
    const database = new DatabaseSync(path);
    database.prepare("INSERT INTO runs VALUES ('a', ?)").run(JSON.stringify(old));
    database.close();
    const records = openRecords(path);
    assert.deepEqual(records.runLog.read("a" as CidText).runs, [{
      ...RUN,
      path: null,
      egress: null,
    }]);
    records.close();
  });
});

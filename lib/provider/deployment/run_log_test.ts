import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { RUN } from "../../../worlds/logged_run.ts";
import type { CidText } from "../../cid.ts";
import { openRecords } from "./records.ts";
import { SERVER_LOG_BYTES_MAX } from "../../limits_of_servers.ts";
import type { LoggedRun, RunLog } from "./run_log.ts";
import type { LoggedLife, ServerEntry } from "./server_entries.ts";

/** Each NUL takes six bytes as JSON: some 6 KB a run. */
const LONG: LoggedRun = { ...RUN, stderrBytes: 1_000, stderr: "\0".repeat(1_000) };

const STARTED: LoggedLife = {
  at: 1,
  instance: 1,
  event: "started",
  readyMs: 120,
  why: null,
  reason: null,
};

const [A, B] = ["a", "b"] as [CidText, CidText];

function printed(output: string, at = 0): ServerEntry {
  return { at, instance: 1, output };
}

function outputOf(log: RunLog, cid: CidText, after = 0): string[] {
  return log.read(cid, after).server.map((entry) => "output" in entry ? entry.output : entry.event);
}

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

Deno.test("a deployment's latest run is known, whether it has been written or waits for that", async () => {
  await withFile((path) => {
    const records = openRecords(path);
    const { runLog } = records;
    assert.equal(runLog.last(A), null);
    runLog.add(A, { ...RUN, at: 1 });
    runLog.add(B, { ...RUN, at: 9 });
    assert.equal(runLog.last(A)?.at, 1);
    runLog.read(A);
    assert.deepEqual(runLog.last(A), { ...RUN, at: 1 });
    runLog.add(A, { ...RUN, at: 2 });
    assert.equal(runLog.last(A)?.at, 2);
    records.close();
    const again = openRecords(path);
    assert.deepEqual([again.runLog.last(A)?.at, again.runLog.last(B)?.at], [2, 9]);
    again.close();
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

Deno.test("what a server wrote stands beside its runs, under one cursor, also after a start", async () => {
  await withFile((path) => {
    const before = openRecords(path).runLog;
    before.addServerEntry(A, STARTED);
    before.addServerEntry(A, printed('one "quoted" \u2028 line\ntwo', 5));
    before.addServerEntry(B, printed("of another"));
    const first = before.read(A);
    assert.deepEqual(first.server, [STARTED, printed('one "quoted" \u2028 line\ntwo', 5)]);
    before.add(A, RUN);
    const second = before.read(A, first.cursor);
    assert.deepEqual([second.runs, second.server], [[RUN], []]);
    before.addServerEntry(A, printed("later"));
    before.close();

    const records = openRecords(path);
    const { runLog } = records;
    const third = runLog.read(A, second.cursor);
    assert.deepEqual([third.runs, third.server], [[], [printed("later")]]);
    assert.ok(first.cursor < second.cursor && second.cursor < third.cursor);
    assert.deepEqual(runLog.read(A, third.cursor).cursor, third.cursor);
    const { runs, server } = runLog.read(A, third.cursor + 100);
    assert.deepEqual([runs.length, server.length], [1, 3], "a cursor of lost records");
    assert.deepEqual(outputOf(runLog, B), ["of another"]);
    records.close();
  });
});

Deno.test("a server that writes without end keeps its latest output, its runs and others' output", async () => {
  await withFile((path) => {
    const records = openRecords(path);
    const { runLog } = records;
    runLog.add(A, RUN);
    runLog.addServerEntry(B, printed("of another"));
    // JSON needs six bytes for each of them, UTF-8 three.
    for (const [character, count] of [["\0", 400], ["€", 4_000]] as const) {
      const text = character.repeat(10_000 / count * 400);
      for (let index = 0; index < count; index++) runLog.addServerEntry(A, printed(text, index));
      const { server } = runLog.read(A);
      assert.deepEqual(server.at(-1), printed(text, count - 1));
      const bytes = server.reduce((sum, entry) => sum + new Blob([JSON.stringify(entry)]).size, 0);
      assert.ok(
        bytes > SERVER_LOG_BYTES_MAX / 2 && bytes < SERVER_LOG_BYTES_MAX * 1.25,
        `${bytes}`,
      );
    }
    assert.deepEqual(runLog.read(A).runs, [RUN]);
    assert.deepEqual(outputOf(runLog, B), ["of another"]);
    records.close();
  });
});

Deno.test("output of ever new servers takes so much disk, and pushes out no runs", async () => {
  await withFile((path) => {
    const records = openRecords(path, { serversBytesMax: 600_000 });
    const { runLog } = records;
    runLog.add(A, RUN);
    for (let index = 0; index < 400; index++) {
      runLog.addServerEntry(`${index}` as CidText, printed("x".repeat(4_000)));
      if (index % 50 === 0) runLog.read(A);
    }
    assert.deepEqual(outputOf(runLog, "0" as CidText), []);
    assert.equal(outputOf(runLog, "399" as CidText).length, 1);
    assert.deepEqual(runLog.read(A).runs, [RUN]);
    records.close();
    assert.ok(Deno.statSync(path).size < 1_500_000);
  });
});

Deno.test("who follows a deployment is woken by its server's output", async () => {
  const dir = await Deno.makeTempDir();
  const records = openRecords(join(dir, "deployments.db"));
  const follower = records.runLog.followers.follow(A, 3_600_000)!;
  records.runLog.addServerEntry(A, printed("news"));
  await follower.ended;
  assert.deepEqual(outputOf(records.runLog, A), ["news"]);
  records.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a busy deployment writes no more runs than it keeps, so that a call's costs nothing", async () => {
  await withFile((path) => {
    const records = openRecords(path);
    const other = new DatabaseSync(path);
    const rows = () => other.prepare("SELECT COUNT(*) AS count FROM runs").get()!.count;
    for (let at = 0; at < 20_000; at++) records.runLog.add(A, { ...RUN, at });
    assert.equal(rows(), 0, "none is written before its time");
    assert.equal(records.runLog.read(A).runs[0]!.at, 19_900);
    assert.equal(rows(), 100);
    other.close();
    records.close();
  });
});

Deno.test("lines of runs and servers come in one order, so many of them or so many bytes", () =>
  withFile((path) => {
    const records = openRecords(path);
    const { runLog } = records;
    for (const at of [1, 2, 3]) {
      runLog.add(A, { ...RUN, at });
      runLog.flush();
      runLog.addServerEntry(B, printed("x".repeat(1_000), at));
      runLog.flush();
    }
    const numbersOf = (...words: [number, number, number]) =>
      runLog.linesAfter(...words).map(({ number, isServers }) => isServers ? -number : number);
    assert.equal(runLog.newest, 6);
    assert.deepEqual(numbersOf(0, 9, 9_999), [1, -2, 3, -4, 5, -6]);
    assert.deepEqual(numbersOf(1, 3, 9_999), [-2, 3, -4]);
    assert.deepEqual(numbersOf(0, 9, 1_000), [1, -2]);
    assert.deepEqual(numbersOf(2, 9, 1), [3]);
    records.close();
  }));

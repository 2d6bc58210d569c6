import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { openRegistrations, type RunLog } from "./registrations.ts";

const RUN: RunLog = {
  at: 0,
  method: "GET",
  status: 200,
  exit: 0,
  signal: null,
  limit: null,
  wallMs: 1,
  cpuMs: null,
  peakMemoryBytes: null,
  stdinBytes: 0,
  stdoutBytes: 0,
  stderrBytes: 1_000,
  stderr: "\0".repeat(1_000),
};

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
    // Each NUL takes six bytes: some 6 KB a run.
    for (const round of [0, 1]) {
      const registrations = openRegistrations(path, { now: () => 0, runsBytesMax: 700_000 });
      for (let index = 0; index < 200; index++) registrations.log(`${round}-${index}`, RUN);
      assert.equal(registrations.logs(`${round}-0`).length, 0, "the oldest go first");
      assert.equal(registrations.logs(`${round}-199`).length, 1);
      registrations.close();
    }
    assert.ok(Deno.statSync(path).size < 1_500_000);
  });
});

Deno.test("a deployment keeps its latest hundred runs", async () => {
  await withFile((path) => {
    const registrations = openRegistrations(path);
    for (let at = 0; at < 150; at++) registrations.log("a", { ...RUN, at });
    registrations.log("b", RUN);
    assert.deepEqual(registrations.logs("a").map(({ at }) => at).slice(0, 2), [50, 51]);
    assert.equal(registrations.logs("b").length, 1);
    registrations.close();
  });
});

Deno.test("log lines that cannot be written are lost, and nothing else", async () => {
  await withFile((path) => {
    const losses: unknown[] = [];
    const registrations = openRegistrations(path, { lost: (error) => losses.push(error) });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    registrations.log("a", { ...RUN, at: 1 });
    assert.deepEqual(registrations.logs("a"), []);
    assert.match(String(losses[0]), /locked/);
    other.exec("COMMIT");
    other.close();
    registrations.log("a", { ...RUN, at: 2 });
    assert.deepEqual(registrations.logs("a").map(({ at }) => at), [2]);
    assert.equal(losses.length, 1);
    registrations.close();
  });
});

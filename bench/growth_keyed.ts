/**
 * What an Idempotency-Key adds to a call of a payer for whom more and more answers are kept:
 * processor time of the provider's own process, which no other work on the machine changes, and the
 * time until the answer. Keyed calls and others take turns.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Address } from "viem";
import { factsOf } from "../worlds/processes.ts";
import type { Curve, Point } from "./exponent.ts";
import type { Budget, Growth, GrowthWorld, Served } from "./growth_world.ts";
import { atMost, median } from "./report.ts";

const SIZES = [0, 1e4, 1e5, 1e6];
const TURNS = 6;
/** Of each kind in a turn. */
const CALLS = 20;
/** Turns end when they have taken so long. */
const SECONDS_MOST = 8;
const MORE_MS_MOST = 1;
/** The table as release 0.1.0 has it, whatever this release's is. */
const SCHEMA = `
  PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA user_version = 1;
  CREATE TABLE answers (
    id BLOB PRIMARY KEY,
    payer TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    reservation INTEGER NOT NULL,
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    why TEXT
  ) STRICT;
  CREATE INDEX answers_by_payer ON answers (payer, at);
  CREATE INDEX answers_by_time ON answers (at);
`;
/** So small that a million of them are within what one payer may have kept. */
const ANSWER_BYTES = 40;

interface Cost {
  readonly cpuMs: number;
  readonly p50Ms: number;
}

interface Figures {
  readonly keyed: Cost;
  readonly plain: Cost;
  readonly diskBytes: number;
}

export async function measureKeyed(world: GrowthWorld, budget: Budget): Promise<Growth> {
  const payer = world.owners[2]!;
  const { cid } = (await world.deploy({ count: 1, tag: "keyed" }))[0]!;
  const headers = await world.market.pay(payer, { credits: 1_000_000n });
  const found = new Map<number, Figures>();
  for (const answers of SIZES) {
    if (budget.left() === 0) break;
    const home = await world.copyHome();
    const path = join(home, "state", "book", "answers.db");
    writeAnswers(path, payer.address, answers);
    const served = await world.serveHome(home, AbortSignal.timeout(1_000 * budget.left()));
    if (served === null) break;
    const costs = await inTurns(served, `${served.url}/${cid}`, headers);
    await served.kill();
    found.set(answers, { ...costs, diskBytes: (await Deno.stat(path)).size });
    await Deno.remove(home, { recursive: true });
  }
  const more = (answers: number) => {
    const figures = found.get(answers);
    return figures ? figures.keyed.cpuMs - figures.plain.cpuMs : Infinity;
  };
  const curve = (what: string, unit: string, of: (figures: Figures) => number): Curve => ({
    curve: "answers kept",
    what,
    unit,
    points: [...found].map(([answers, figures]): Point => [answers, of(figures)]),
  });
  return {
    curves: [
      curve("a keyed call, processor", "ms", ({ keyed }) => keyed.cpuMs),
      curve("a call without a key, processor", "ms", ({ plain }) => plain.cpuMs),
      curve("a keyed call, p50", "ms", ({ keyed }) => keyed.p50Ms),
      curve("a call without a key, p50", "ms", ({ plain }) => plain.p50Ms),
      curve("disk", "MB", ({ diskBytes }) => diskBytes / 1e6),
    ],
    must: [
      atMost("a key at 10^6 answers, more than at none", more(1e6) - more(0), "ms", MORE_MS_MOST),
    ],
  };
}

/** In place of what is there; each was given just now. */
function writeAnswers(path: string, payer: Address, count: number): void {
  for (const end of ["", "-wal", "-shm"]) {
    try {
      Deno.removeSync(`${path}${end}`);
    } catch {
      // There is none.
    }
  }
  const database = new DatabaseSync(path);
  try {
    database.exec(SCHEMA);
    if (count === 0) return;
    database.exec("BEGIN");
    database.prepare(`
      WITH RECURSIVE row(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM row WHERE i < ?)
      INSERT INTO answers SELECT CAST(printf('%032d', i) AS BLOB), ?, zeroblob(32), i, ? + i, ?,
        200, '[]', zeroblob(${ANSWER_BYTES - 2}), NULL FROM row
    `).run(count, payer, Date.now() - count, ANSWER_BYTES);
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

async function inTurns(
  { pid }: Served,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ keyed: Cost; plain: Cost }> {
  const costs = { keyed: [] as Cost[], plain: [] as Cost[] };
  const until = performance.now() + 1_000 * SECONDS_MOST;
  // The first turn opens the sandbox.
  for (let turn = -1; turn < TURNS && (turn < 1 || performance.now() < until); turn++) {
    for (const kind of ["plain", "keyed"] as const) {
      const cost = await costOf(pid, async () => {
        const key = { "idempotency-key": crypto.randomUUID() };
        const response = await fetch(url, {
          headers: kind === "keyed" ? { ...headers, ...key } : headers,
        });
        const text = await response.text();
        if (text !== "hello\n") throw new Error(`${kind}: ${response.status} ${text}`);
      });
      if (turn >= 0) costs[kind].push(cost);
    }
  }
  return { keyed: middle(costs.keyed), plain: middle(costs.plain) };
}

async function costOf(pid: number, call: () => Promise<void>): Promise<Cost> {
  const cpu = async () => (await factsOf([pid]))[0]!.ownCpuMs;
  const before = await cpu();
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const begunAt = performance.now();
    await call();
    times.push(performance.now() - begunAt);
  }
  return { cpuMs: (await cpu() - before) / CALLS, p50Ms: median(times) };
}

function middle(costs: readonly Cost[]): Cost {
  // Ticks of 10 ms are too coarse for the median of single turns.
  const sum = costs.reduce((total, { cpuMs }) => total + cpuMs, 0);
  return { cpuMs: sum / costs.length, p50Ms: median(costs.map(({ p50Ms }) => p50Ms)) };
}

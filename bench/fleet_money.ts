/**
 * What a credit costs where PostgreSQL decides, by what it costs with SQLite: one payer's calls of
 * a program that has always just answered, and what the database takes of the processor.
 */
import {
  addedMs,
  type AllMeasured,
  caller,
  load,
  measure,
  p50,
  PAYMENT_OFF,
  rateRatio,
} from "./call_rounds.ts";
import type { FleetWorld } from "./fleet_world.ts";
import { deployHello, startServers } from "./payments_world.ts";
import { processorTime } from "./processor_time.ts";
import { atLeast, atMost, median, type Report, type Row } from "./report.ts";

const CONCURRENCY = [1, 16, 64];
const [SQLITE, POSTGRES] = ["SQLite", "PostgreSQL"];
const ADDED_MOST = 2;
const RATE_LEAST = 0.8;
const PROCESSOR_ROUNDS = 5;
const PROCESSOR_MS = 2_000;
const PROCESSOR_US_MOST = 30;

export async function measureMoney(
  { cluster, fleet, nodeHome, loneHome }: FleetWorld,
): Promise<Report> {
  const cid = await deployHello(fleet.market);
  const lone = await startServers({ home: await loneHome() });
  const node = await startServers({ home: await nodeHome() });
  const paid = caller(POSTGRES!, `${node.urls.paid}/${cid}`);
  const targets = [
    caller(PAYMENT_OFF, `${lone.urls.free}/${cid}`),
    caller(SQLITE!, `${lone.urls.paid}/${cid}`),
    paid,
  ];
  const rows: Row[] = [];
  const all = new Map<number, AllMeasured>();
  try {
    for (const concurrency of CONCURRENCY) {
      const found = await measure(targets, concurrency);
      all.set(concurrency, found);
      rows.push(...rowsOf(concurrency, found));
    }
    const micros: number[] = [];
    for (let round = 0; round < PROCESSOR_ROUNDS; round++) {
      const before = await processorTime(cluster.server.pid);
      const { latencies } = await load(paid, 64, PROCESSOR_MS);
      micros.push((await processorTime(cluster.server.pid) - before) / latencies.length);
    }
    rows.push({
      what: "PostgreSQL's processor, a call",
      ledger: POSTGRES!,
      c: 64,
      µs: median(micros),
    });
    const [alone, busy] = [all.get(1)!, all.get(16)!];
    const added = addedMs(alone, POSTGRES!) / addedMs(alone, SQLITE!);
    return {
      rows,
      must: [
        atMost("added p50 at c=1", added, "of SQLite's", ADDED_MOST),
        atLeast("one payer, c=16", rateRatio(busy, POSTGRES!, SQLITE), "of SQLite's", RATE_LEAST),
        atMost("PostgreSQL's processor at c=64", median(micros), "µs a call", PROCESSOR_US_MOST),
      ],
    };
  } finally {
    for (const { worker } of [lone, node]) worker.terminate();
  }
}

function rowsOf(concurrency: number, results: AllMeasured): Row[] {
  return [...results].map(([ledger, { rates }]): Row => ({
    what: "nothing run, owner pays",
    ledger,
    c: concurrency,
    "p50 ms": p50(results, ledger),
    "added p50 ms": addedMs(results, ledger),
    "calls/s": median(rates),
    "of SQLite": rateRatio(results, ledger, SQLITE),
  }));
}

/**
 * What payment costs: added latency and lost throughput against the same server with payment off,
 * gas per paid request beside one EIP-3009 transfer a request, and x402's `exact` on a chain of one
 * block a second, all in one run. `--json` prints the same for machines.
 */
import { join } from "node:path";
import { startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { startMarket } from "../worlds/market.ts";
import {
  addedMs,
  type AllMeasured,
  caller,
  measure,
  PAYMENT_OFF,
  rateRatio,
  type Target,
} from "./call_rounds.ts";
import { measureExact } from "./payments_exact.ts";
import { LANES, measureGas } from "./payments_gas.ts";
import { deployHello, PLENTY, SETTINGS, startServers } from "./payments_world.ts";
import {
  atLeast,
  atMost,
  type Must,
  printReport,
  quantile,
  type Report,
  type Row,
} from "./report.ts";

const REQUESTS = [1, 10, 100];
const CONCURRENCY = [1, 4, 16];
const FLOOR = "the disk alone";
const ADDED_MS_MAX = { "owner pays": 0.6, "caller pays": 0.25 };
const PAYER_LANE = `0x${"1a".repeat(32)}` as const;

/** One bare synced write: what no durable payment can go below on this disk, just then. */
async function openFloor(dir: string): Promise<Target & { close(): void }> {
  const file = await Deno.open(join(dir, "floor"), { write: true, create: true });
  const bytes = new Uint8Array(4_096).fill(1);
  return {
    name: FLOOR,
    async once() {
      await file.seek(0, Deno.SeekMode.Start);
      await file.write(bytes);
      await file.syncData();
    },
    close: () => file.close(),
  };
}

async function measureCalls(): Promise<Report> {
  await using market = await startMarket({ credits: PLENTY, settings: SETTINGS });
  await market.provider.stop();
  const cid = await deployHello(market);
  const floor = await openFloor(market.home);
  const { worker, urls } = await startServers({ home: market.home });
  const own = await market.pay(market.accounts.payer, { lane: PAYER_LANE, credits: PLENTY });
  const quick = [
    caller(PAYMENT_OFF, `${urls.free}/${cid}`),
    caller("owner pays", `${urls.paid}/${cid}`),
    caller("caller pays", `${urls.paid}/${cid}`, own),
  ];
  const real = [
    caller(PAYMENT_OFF, `${urls.freeReal}/${cid}`),
    caller("owner pays", `${urls.paidReal}/${cid}`),
  ];
  const rows: Row[] = [];
  const must: Must[] = [];
  try {
    for (const concurrency of CONCURRENCY) {
      const bare = await measure(concurrency === 1 ? [...quick, floor] : quick, concurrency);
      rows.push(...rowsOf("nothing run", concurrency, bare));
      const whole = await measure(real, concurrency);
      rows.push(...rowsOf("sandbox run", concurrency, whole));
      if (concurrency === 1) {
        for (const [who, most] of Object.entries(ADDED_MS_MAX)) {
          must.push(atMost(`added p50 at c=1, ${who}`, addedMs(bare, who), "ms", most));
        }
      }
      if (concurrency === 16) {
        const rate = rateRatio(bare, "caller pays");
        must.push(atLeast("rate at c=16, caller pays / payment off", rate, "", 0.5));
        const lost = 100 * (1 - rateRatio(whole, "owner pays"));
        must.push(atMost("throughput lost at c=16", lost, "%", 15));
      }
    }
  } finally {
    floor.close();
    worker.terminate();
  }
  return { rows, must };
}

function rowsOf(what: string, concurrency: number, results: AllMeasured): Row[] {
  return [...results].map(([payment, { latencies, rates }]): Row => {
    const times = {
      what,
      payment,
      c: concurrency,
      "p50 ms": quantile(latencies, 0.5),
      "p95 ms": quantile(latencies, 0.95),
    };
    if (payment === FLOOR) return times;
    return {
      ...times,
      "added p50 ms": addedMs(results, payment),
      "calls/s": quantile(rates, 0.5),
      "of payment off": rateRatio(results, payment),
    };
  });
}

async function measureChain(): Promise<Report> {
  await using world = await startEscrowChain();
  const { lane, transfer } = await measureGas(world, REQUESTS);
  const rows = [...lane].map(([requests, gas]): Row => ({
    what: `gas, ${LANES} lanes × ${requests} requests`,
    "gas/lane": Math.round(gas),
    "gas/request": Math.round(gas / requests),
    "of EIP-3009": gas / requests / transfer,
  }));
  rows.push({ what: "gas, EIP-3009 transfer a request", "gas/request": transfer });
  return {
    rows,
    must: [
      atMost("warm lane in a batch of 50", lane.get(1)!, "gas", 25_000),
      atMost("request at 100 a lane", lane.get(100)! / 100, "gas", 250),
    ],
  };
}

const reports: Report[] = [];
for (const measured of [measureCalls, measureChain, measureExact]) reports.push(await measured());
printReport({
  rows: reports.flatMap(({ rows }) => rows),
  must: reports.flatMap(({ must }) => must),
});

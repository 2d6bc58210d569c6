/**
 * What payment costs: added latency and lost throughput against the same server with payment off,
 * gas per paid request beside one EIP-3009 transfer a request, and x402's `exact` on a chain of one
 * block a second, all in one run. `--json` prints the same for machines.
 */
import { join } from "node:path";
import { startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import type { ServerOrder, ServerUrls } from "../worlds/payments_server.ts";
import { measureExact } from "./payments_exact.ts";
import { LANES, measureGas } from "./payments_gas.ts";
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
const ROUNDS = 12;
/** Of each round and server. */
const ROUND_MS = 400;
const FLOOR = "the disk alone";
const ADDED_MS_MAX = { "owner pays": 0.6, "caller pays": 0.25 };
/** Credits: more than the fastest machine can use up. */
const PLENTY = 5_000_000n;
const PAYER_LANE = `0x${"1a".repeat(32)}` as const;

interface Target {
  name: string;
  once(): Promise<void>;
}

interface Measured {
  /** ms of each request. */
  latencies: number[];
  /** Requests a second, of each round. */
  rates: number[];
}

/** One after the other in short turns, so that noise meets all alike. */
async function measure(targets: readonly Target[], concurrency: number) {
  const results = new Map(targets.map(({ name }): [string, Measured] => [
    name,
    { latencies: [], rates: [] },
  ]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const target of targets) {
      const { latencies, rate } = await load(target, concurrency);
      if (round < 0) continue;
      const result = results.get(target.name)!;
      result.latencies.push(...latencies);
      result.rates.push(rate);
    }
  }
  return results;
}

async function load({ once }: Target, concurrency: number) {
  const latencies: number[] = [];
  const started = performance.now();
  async function loop(): Promise<void> {
    while (performance.now() - started < ROUND_MS) {
      const sent = performance.now();
      await once();
      latencies.push(performance.now() - sent);
    }
  }
  await Promise.all(Array.from({ length: concurrency }, loop));
  return { latencies, rate: latencies.length / (performance.now() - started) * 1_000 };
}

function caller(name: string, url: string, headers: Record<string, string> = {}): Target {
  return {
    name,
    async once() {
      const response = await fetch(url, { headers });
      const text = await response.text();
      if (text !== "hello\n") throw new Error(`${response.status}: ${text}`);
    },
  };
}

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

/** What is to be called: a program that says hello, whose owner lets anybody call it. */
async function deployHello(market: Market): Promise<string> {
  return await market.deploy({
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: {
      limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 64, ownerCreditsPerMinute: 1_000_000 },
    },
  });
}

/** Settled in batches that never come, in books of their own, with a slot for every call. */
const SETTINGS = {
  stateDir: "bench",
  settlement: { intervalSeconds: 360, amount: "1000000000000" },
  sandbox: { concurrency: 1_000 },
};

async function startServers(ordered: ServerOrder): Promise<{ worker: Worker; urls: ServerUrls }> {
  const worker = new Worker(new URL("../worlds/payments_server.ts", import.meta.url), {
    type: "module",
  });
  const urls = await new Promise<ServerUrls>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(ordered);
  });
  return { worker, urls };
}

async function measureCalls(): Promise<Report> {
  await using market = await startMarket({ credits: PLENTY, settings: SETTINGS });
  await market.provider.stop();
  const cid = await deployHello(market);
  const floor = await openFloor(market.home);
  const { worker, urls } = await startServers({ home: market.home });
  const own = await market.pay(market.accounts.payer, { lane: PAYER_LANE, credits: PLENTY });
  const quick = [
    caller("payment off", `${urls.free}/${cid}`),
    caller("owner pays", `${urls.paid}/${cid}`),
    caller("caller pays", `${urls.paid}/${cid}`, own),
  ];
  const real = [
    caller("payment off", `${urls.freeReal}/${cid}`),
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

const p50 = (results: Map<string, Measured>, name: string) =>
  quantile(results.get(name)!.latencies, 0.5);

function addedMs(results: Map<string, Measured>, name: string): number {
  return p50(results, name) - p50(results, "payment off");
}

function rateRatio(results: Map<string, Measured>, name: string): number {
  const off = results.get("payment off")!.rates;
  return quantile(results.get(name)!.rates.map((rate, round) => rate / off[round]!), 0.5);
}

function rowsOf(what: string, concurrency: number, results: Map<string, Measured>): Row[] {
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

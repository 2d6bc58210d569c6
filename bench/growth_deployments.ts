/**
 * What many deployments in use cost: calls in turn on a set of them, through a real provider. The
 * rates of two sets are measured in turns, so that what else the machine does meets both.
 */
import { type Market, startMarket } from "../worlds/market.ts";
import { median, quantile, type Row } from "./report.ts";

/** Callers at a time. */
const CALLERS = 4;
const PROGRAM_LIMITS = {
  timeoutMs: 15_000,
  memoryMb: 64,
  concurrency: 8,
  ownerCreditsPerMinute: 100_000,
};

export interface InTurn extends Row {
  deployments: number;
  calls: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  refused: number;
}

/** Calls deployments one after the other, over and over, for so long or so many times. */
export async function callInTurn(
  market: Pick<Market, "call">,
  cids: readonly string[],
  { ms = Infinity, calls = Infinity }: { ms?: number; calls?: number },
): Promise<InTurn> {
  const took: number[] = [];
  let begun = 0;
  let refused = 0;
  const from = performance.now();
  async function caller(): Promise<void> {
    while (begun < calls && performance.now() - from < ms) {
      const cid = cids[begun++ % cids.length]!;
      const at = performance.now();
      const answer = await market.call(cid);
      await answer.text();
      if (answer.ok) took.push(performance.now() - at);
      else refused += 1;
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return {
    deployments: cids.length,
    calls: took.length,
    perSecond: took.length / ((performance.now() - from) / 1_000),
    p50Ms: median(took),
    p99Ms: quantile(took, 0.99),
    refused,
  };
}

/** Programs of their own, each a deployment. */
export async function deployMany(market: Market, count: number): Promise<string[]> {
  const cids: string[] = [];
  for (let index = 0; index < count; index++) {
    const files = { main: `#!/bin/sh\necho ${index}\n` };
    cids.push(await market.deploy({ files, fields: { limits: PROGRAM_LIMITS } }));
  }
  return cids;
}

/** Value of a metric that has no labels, or with those that are given. */
export async function metricOf(market: Pick<Market, "provider">, name: string): Promise<number> {
  const text = await (await fetch(`${market.provider.url}/metrics`)).text();
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.split(" ").at(-1) ?? NaN);
}

const READY = 'khachapuri_sandbox_starts_total{outcome="ready"}';

/** Rates of a small and of a large set, and how many sandboxes the calls on the large one took. */
export async function measureDeployments(
  { few, many, ms, rounds, open }: {
    few: number;
    many: number;
    /** Of each measurement. */
    ms: number;
    rounds: number;
    /** Sandboxes that may be open; by default what the machine has room for. */
    open?: number;
  },
): Promise<Row[]> {
  const sandbox = open === undefined ? {} : { open };
  await using market = await startMarket({
    settings: { settlement: { mode: "batch", amount: "1000000000" }, sandbox },
    credits: 1_000_000n,
  });
  const all = await deployMany(market, many);
  const cold = await callInTurn(market, all, { calls: many });
  await callInTurn(market, all.slice(0, few), { calls: few });
  const rows: Row[] = [{ what: "first calls", ...cold, starts: many }];
  for (let round = 0; round < rounds; round++) {
    for (const count of [few, many]) {
      const before = await metricOf(market, READY);
      const row = await callInTurn(market, all.slice(0, count), { ms });
      rows.push({ what: "in turn", ...row, starts: await metricOf(market, READY) - before });
    }
  }
  const { rss } = Deno.memoryUsage();
  rows.push({
    what: "at the end",
    rssMb: rss / 2 ** 20,
    open: await metricOf(market, "khachapuri_sandboxes_open"),
    most: await metricOf(market, "khachapuri_sandboxes_max"),
    descriptors: await metricOf(market, "khachapuri_open_descriptors"),
    evictions: await metricOf(market, "khachapuri_sandbox_evictions_total"),
  });
  return rows;
}

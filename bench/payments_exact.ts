/**
 * x402's `exact` where a block comes every second: how long a call takes that waits for its run and
 * for its block, within how many blocks a crowd of payers is settled, and what each costs in gas.
 */
import type { Hex, LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { pause } from "../lib/pause.ts";
import { ask } from "../worlds/chain/anvil_calls.ts";
import { exactHeader, exactIn, settlementIn, signExact } from "../worlds/exact_payer.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { atMost, type Must, quantile, type Report, type Row } from "./report.ts";

const BLOCK_MS = 1_000;
const ADDED_MS_MAX = 50;
const CROWD = 20;
const CROWD_BLOCKS_MAX = 3;
const GAS_MAX = 90_000;
/** USDC base units: more than a payer spends here. */
const WALLET = 10_000_000n;
/** Calls begin all over a block: each so much later in it than the one before, of a block. */
const PHASE = (Math.sqrt(5) - 1) / 2;

interface Timed {
  ms: number;
  settlement: Record<string, unknown> | null;
}

async function timed(url: string, headers: Record<string, string>): Promise<Timed> {
  const sent = performance.now();
  const response = await fetch(url, { headers });
  const text = await response.text();
  if (text !== "hello\n") throw new Error(`${response.status}: ${text}`);
  return { ms: performance.now() - sent, settlement: settlementIn(response) };
}

async function receiptOf({ chain }: Market, { settlement }: Timed) {
  return await chain.public.getTransactionReceipt({ hash: settlement!.transaction as Hex });
}

/** @param script what the program does before it says hello */
async function measureLatency(market: Market, what: string, script: string, calls: number) {
  const url = `${market.provider.url}/${await market.deploy(programOf(script))}`;
  const { payer } = market.accounts;
  const entry = await entryOf(market);
  const runs: number[] = [];
  const paid: Timed[] = [];
  for (let call = 0; call < calls; call++) {
    // Its owner pays: nothing waits for a block.
    runs.push((await timed(url, {})).ms);
    await pause(PHASE * call % 1 * BLOCK_MS);
    paid.push(await timed(url, exactHeader(await signExact(payer, entry))));
  }
  const latencies = paid.map(({ ms }) => ms);
  const [p50, p95] = [quantile(latencies, 0.5), quantile(latencies, 0.95)];
  const [run50, run95] = [quantile(runs, 0.5), quantile(runs, 0.95)];
  const added = Math.max(
    p50 - Math.max(run50, BLOCK_MS),
    p95 - Math.max(run95, BLOCK_MS),
  );
  const row: Row = {
    what: `exact, ${what}`,
    calls,
    "run p50 ms": run50,
    "run p95 ms": run95,
    "p50 ms": p50,
    "p95 ms": p95,
  };
  const name = `exact, ${what}: p50 and p95 beyond max(run, one block)`;
  return { row, must: atMost(name, added, "ms", ADDED_MS_MAX), paid };
}

async function measureCrowd(market: Market, crowd: readonly LocalAccount[]) {
  const url = `${market.provider.url}/${await market.deploy(programOf(""))}`;
  await timed(url, {});
  const entry = await entryOf(market);
  const headers = await Promise.all(
    crowd.map(async (payer) => exactHeader(await signExact(payer, entry))),
  );
  const before = await market.chain.public.getBlockNumber({ cacheTime: 0 });
  const paid = await Promise.all(headers.map((header) => timed(url, header)));
  const receipts = await Promise.all(paid.map((one) => receiptOf(market, one)));
  const last = receipts.map(({ blockNumber }) => blockNumber).reduce((a, b) => a > b ? a : b);
  const blocks = Number(last - before);
  const latencies = paid.map(({ ms }) => ms);
  const row: Row = {
    what: `exact, ${CROWD} payers at once`,
    calls: CROWD,
    "p50 ms": quantile(latencies, 0.5),
    "p95 ms": quantile(latencies, 0.95),
    blocks,
  };
  const name = `exact, ${CROWD} payers at once are settled`;
  return { row, must: atMost(name, blocks, "blocks", CROWD_BLOCKS_MAX), paid };
}

const programOf = (script: string) => ({
  files: { main: `#!/bin/sh\n${script}\necho hello\n` },
  fields: {
    limits: { timeoutMs: 5_000, memoryMb: 64, concurrency: 64, ownerCreditsPerMinute: 1_000_000 },
  },
});

/** What the provider asks a payer for. */
async function entryOf(market: Market) {
  const program = { ...programOf(""), fields: { access: "payer" } };
  const asked = await market.call(await market.deploy(program));
  await asked.body?.cancel();
  return exactIn(asked);
}

/** The figures of `exact`, with what may not get worse. */
export async function measureExact(): Promise<Report> {
  const settings = { settlement: { intervalSeconds: 360 }, sandbox: { concurrency: 64 } };
  await using market = await startMarket({ settings, credits: 10_000n });
  const crowd = Array.from({ length: CROWD }, () => privateKeyToAccount(generatePrivateKey()));
  for (const payer of crowd) await market.mint(payer, WALLET);
  // The provider has USDC already: its balance is a slot that is changed, not taken.
  await market.mint(market.accounts.provider, WALLET);
  await ask(market.chain, "evm_setAutomine", false);
  await ask(market.chain, "evm_setIntervalMining", BLOCK_MS / 1_000);
  const quick = await measureLatency(market, "quick program", "", 24);
  const slow = await measureLatency(market, "1.5 s of run", "sleep 1.5", 12);
  const many = await measureCrowd(market, crowd);
  const parts = [quick, slow, many];
  const receipts = await Promise.all(
    parts.flatMap(({ paid }) => paid).map((one) => receiptOf(market, one)),
  );
  const gas = receipts.map(({ gasUsed }) => Number(gasUsed));
  const rows: Row[] = parts.map(({ row }) => row);
  rows.push({
    what: "exact, gas a settlement",
    calls: gas.length,
    gas: quantile(gas, 0.5),
    "gas, most": Math.max(...gas),
  });
  const must: Must[] = parts.map(({ must }) => must);
  must.push(atMost("exact, gas a settlement, most", Math.max(...gas), "gas", GAS_MAX));
  return { rows, must };
}

/**
 * `deno task test:soak:customers [MINUTES]`: half an hour of a provider with a thousand payers and
 * a thousand deployments of a hundred owners. Owners pay, callers pay, with keys and without; bytes
 * go both ways, some are read slowly, some calls fail; what is due is settled meanwhile. Afterwards
 * every answer is charged and every charge settled, and over the last twenty minutes memory,
 * descriptors, disk and requests to the chain have stayed as they were.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { pause } from "../../lib/pause.ts";
import { print } from "../../tools/print.ts";
import { ask } from "../../worlds/chain/anvil_calls.ts";
import { startCountingRpc } from "../../worlds/chain/counting_rpc.ts";
import { fundCrowd, people } from "../../worlds/chain/crowd.ts";
import { startChildProvider } from "../../worlds/child_provider.ts";
import { type CallerLane, callerLane, callOnce, refusals } from "../../worlds/callers.ts";
import { auditCrowd } from "../../worlds/crowd_audit.ts";
import { buildProgram, deployMany } from "../../worlds/crowd_programs.ts";
import { changeConfig } from "../../worlds/home.ts";
import { startMarket } from "../../worlds/market.ts";
import { randomOf } from "../../worlds/random.ts";
import { median } from "../../bench/report.ts";
import { plotOf, type Sampled } from "./plot.ts";

const MINUTES = Number(Deno.args[0] ?? 30);
const [PAYERS, DEPLOYMENTS, OWNERS] = [1_000, 1_000, 100];
/** Credits that each may use up. */
const [OWNERS_CREDITS, PAYERS_CREDITS] = [1_000_000n, 20_000n];
const CALLERS = 8;
const SLOW_READERS = 2;
/** Between two calls of one caller. */
const REST_MS = 20;
const SLOW_BYTES = 1_000_000;
const SLOW_BYTES_A_SECOND = 200_000;
const SAMPLE_EVERY_MS = 10_000;
const BLOCK_SECONDS = 2;
/** A shorter try shows that all is charged once, and not yet what stays as it is. */
const FLAT_MINUTES_LEAST = 10;
/** By this much the last third may be above the middle one. */
const GROWTH_MOST = 0.05;
/** Of the books for a call of two to three entries, its line in the log, and answers kept. */
const DISK_BYTES_A_CALL = 1_600;
/** Of each caller's own lane. */
const LANE = `0x${"2b".repeat(32)}` as const;

interface Sample extends Sampled {
  readonly rssMb: number;
  readonly descriptors: number;
  readonly diskMb: number;
  /** To the chain, a minute. */
  readonly requests: number;
  /** So far. */
  readonly calls: number;
}

const SETTINGS = {
  settlement: { mode: "batch", intervalSeconds: 60, amount: "1000000000" },
  sandbox: { timeoutMs: 15_000 },
};

await using stack = new AsyncDisposableStack();
const market = stack.use(await startMarket({ settings: SETTINGS }));
const [owners, payers] = [people(OWNERS), people(PAYERS, OWNERS)];
await fundCrowd(market, owners, OWNERS_CREDITS);
await fundCrowd(market, payers, PAYERS_CREDITS);
const program = await buildProgram(market.home);
const deployed = await deployMany(market, program, { count: DEPLOYMENTS, owners, tag: "soak" });
await market.provider.stop();
const rpc = stack.use(startCountingRpc(market.rpc));
await changeConfig(market.home, (config) => ({ ...config, rpc: rpc.url }));
await ask(market.chain, "evm_setAutomine", false);
await ask(market.chain, "evm_setIntervalMining", BLOCK_SECONDS);
const provider = await startChildProvider(market.home, { logLevel: "info" });
const url = await provider.url;
assert(url !== null, `it does not start: see ${market.home}/provider.log`);
print(`${PAYERS} payers, ${DEPLOYMENTS} deployments, ${MINUTES} minutes`);

const ownLanes = deployed.map(({ owner, lane }) => callerLane(owner.address, lane, {}));
const lanes = await Promise.all(payers.map(async (payer) => {
  const headers = await market.pay(payer, { credits: PAYERS_CREDITS, lane: LANE });
  return callerLane(payer.address, LANE, headers);
}));
const random = randomOf(19);
const startedAt = performance.now();
const minutes = () => (performance.now() - startedAt) / 60_000;
const isOver = () => minutes() >= MINUTES;
const samples: Sample[] = [];
let calls = 0;

/** A deployment, and who pays for a call of it: its owner, or a caller. */
function anyone(share: number): { cid: string; lane: CallerLane } {
  const n = random.between(0, DEPLOYMENTS - 1);
  const lane = random.chance(share) ? ownLanes[n]! : random.pick(lanes);
  return { cid: deployed[n]!.cid, lane };
}

async function callSomething(): Promise<void> {
  const kind = random.next();
  const { cid, lane } = anyone(0.5);
  const hello = { cid, answer: "hello\n" };
  calls += 1;
  if (kind < 0.7) return await callOnce(url!, hello, lane);
  if (kind < 0.8) return await callKeyed(cid);
  if (kind < 0.85) {
    const bytes = random.between(1_000, 1_000_000);
    const query = `?bytes=${bytes}`;
    return await callOnce(url!, { cid, answer: "x".repeat(bytes) }, lane, { query });
  }
  if (kind < 0.9) return await callOnce(url!, hello, lane, { query: "?exit=3" });
  if (kind < 0.95) return await send(cid, lane, random.between(1_000, 500_000));
  // Whose money nobody has seen, and what nobody has deployed.
  const headers = { "payment-signature": btoa(JSON.stringify({ x402Version: 2 })) };
  const path = random.chance(0.5) ? cid : `${cid.slice(0, -4)}aaaa`;
  const response = await fetch(`${url}/${path}`, { headers });
  await response.text();
  assert(response.status >= 400, `${response.status} for nothing`);
}

/** Twice under one key: the second answer is the first one's, and free. */
async function callKeyed(cid: string): Promise<void> {
  const lane = random.pick(lanes);
  const before = lane.answered;
  const headers = { "idempotency-key": crypto.randomUUID() };
  await callOnce(url!, { cid, answer: "hello\n" }, lane, { headers });
  if (lane.answered === before) return;
  const again = await fetch(`${url}/${cid}`, { headers: { ...lane.headers, ...headers } });
  assert.equal(await again.text(), "hello\n");
  assert.equal(again.headers.get("idempotency-replayed"), "true");
}

async function send(cid: string, lane: CallerLane, bytes: number): Promise<void> {
  const body = new Uint8Array(bytes);
  const response = await fetch(`${url}/${cid}`, { method: "POST", headers: lane.headers, body });
  const text = await response.text();
  if (response.status !== 200) return void (lane.unsure += 1);
  assert.equal(text, `${bytes}\n`);
  lane.answered += 1;
  lane.paid += 1;
}

async function readSlowly(): Promise<void> {
  while (!isOver()) {
    const { cid, lane } = anyone(1);
    const { stdout } = await new Deno.Command("curl", {
      args: ["-s", "--limit-rate", String(SLOW_BYTES_A_SECOND), "-o", "/dev/null"]
        .concat(["-w", "%{http_code} %{size_download}", `${url}/${cid}?bytes=${SLOW_BYTES}`]),
    }).output();
    const isWhole = new TextDecoder().decode(stdout) === `200 ${SLOW_BYTES}`;
    if (isWhole) lane.paid += 1;
    else lane.unsure += 1;
  }
}

async function callAgainAndAgain(): Promise<void> {
  while (!isOver()) {
    await callSomething();
    await pause(REST_MS);
  }
}

async function sample(requestsBefore: number, sinceMs: number): Promise<Sample> {
  const script = `awk '/^VmRSS/ { print $2 }' /proc/${provider.pid}/status
    ls /proc/${provider.pid}/fd | wc -l
    du -sk --exclude='*-wal' ${market.home}/state | cut -f1`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script] }).output();
  const [rss, descriptors, disk] = new TextDecoder().decode(stdout).split("\n").map(Number);
  return {
    minute: minutes(),
    rssMb: rss! / 1_024,
    descriptors: descriptors!,
    diskMb: disk! / 1_024,
    requests: (rpc.requests.length - requestsBefore) / sinceMs * 60_000,
    calls,
  };
}

async function sampleAllTheTime(): Promise<void> {
  while (!isOver()) {
    const [before, at] = [rpc.requests.length, performance.now()];
    await pause(SAMPLE_EVERY_MS);
    samples.push(await sample(before, performance.now() - at));
  }
}

await Promise.all([
  ...Array.from({ length: CALLERS }, callAgainAndAgain),
  ...Array.from({ length: SLOW_READERS }, readSlowly),
  sampleAllTheTime(),
]);
assert.equal(await provider.stop(), 0);
const plot = plotOf(samples, MINUTES);
plot("RSS", ({ rssMb }) => rssMb, "MB");
plot("descriptors", ({ descriptors }) => descriptors, "");
plot("disk", ({ diskMb }) => diskMb, "MB");
plot("chain", ({ requests }) => requests, "requests a minute");
print(`refused: ${JSON.stringify(refusals([...lanes, ...ownLanes]))}`);
const ledger = join(market.home, "state", "book", "ledger.db");
const { paid, charged } = await auditCrowd(market, ledger, [...lanes, ...ownLanes]);
print(`${calls} calls, ${paid} answers, ${charged} charges, all of them settled`);
if (MINUTES >= FLAT_MINUTES_LEAST) assertFlat();
print("1 passed, 0 failed");

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function assertFlat(): void {
  const third = (from: number, to: number) =>
    samples.filter(({ minute }) => minute >= MINUTES * from && minute < MINUTES * to);
  const [middle, last] = [third(1 / 3, 2 / 3), third(2 / 3, 2)];
  // Requests come in rounds, of which most samples see none.
  const typical = { rssMb: median, descriptors: median, requests: mean };
  for (const what of ["rssMb", "descriptors", "requests"] as const) {
    const of = (some: readonly Sample[]) => typical[what](some.map((one) => one[what]));
    const growth = of(last) / of(middle) - 1;
    print(`${what}: ${(100 * growth).toFixed(1)} % from the middle third to the last`);
    assert(growth <= GROWTH_MOST, `${what} grows`);
  }
  const [first, end] = [middle[0]!, last.at(-1)!];
  const perCall = 1_024 * 1_024 * (end.diskMb - first.diskMb) / (end.calls - first.calls);
  print(`disk: ${perCall.toFixed(0)} bytes a call`);
  assert(perCall <= DISK_BYTES_A_CALL, "the disk grows faster than the books");
}

/**
 * How long a provider that 100,000 lanes owe something keeps its event loop: no call is answered
 * meanwhile. The books and all that settles are the real ones, the chain takes whatever comes.
 */
import { encodeFunctionData, type Hex, numberToHex } from "viem";
import { escrowAbi } from "../lib/chain/abi.ts";
import type { Charge } from "../lib/chain/escrow_provider.ts";
import { silentLog } from "../lib/log.ts";
import { type Permit, UINT64_MAX } from "../lib/permit.ts";
import { BATCH_ROWS } from "../lib/provider/settlement/capacity.ts";
import { encodeCharges } from "../lib/provider/settlement/charge_data.ts";
import { openPayments, type Payments } from "../lib/provider/settlement/payments.ts";
import { anvilAccount } from "../worlds/chain/anvil.ts";
import { FAKE_ESCROW, FAKE_USDC } from "../worlds/chain/fake_chain.ts";
import { PRICE, PROVIDER } from "../worlds/chain/payer_bills.ts";
import { bookSettings, until } from "../worlds/chain/watched_payers.ts";
import { type WillingChain, willingChain } from "../worlds/chain/willing_chain.ts";
import { writeOwedLanes } from "./owed_lanes.ts";
import { atMost, type Must, quantile, type Row } from "./report.ts";
import { type Slices, watchStalls } from "./stall_watch.ts";

const LANES = 100_000;
const LANES_EACH = 5;
const OPERATOR = anvilAccount(2);
/** Blocks that are taken back, each with a batch. */
const FORK_BLOCKS = 40n;
const TIMES = 30;
/** Between two looks at the chain's events. */
const POLL_MS = 2_000;

/** Nobody verifies it here. */
function permitOf(payer: number, n: number): Permit {
  const lane = numberToHex(payer * LANES_EACH + n + 1, { size: 32 });
  return {
    payer: numberToHex(payer + 1_000_000, { size: 20 }),
    provider: PROVIDER.address,
    lane,
    price: PRICE,
    credits: 1_000n,
    deadline: UINT64_MAX,
    epoch: 0,
    signature: `${lane}${"5e".repeat(33)}` as Hex,
  };
}

function open(dir: string, { chain }: WillingChain): Promise<Payments> {
  return openPayments({
    chain,
    escrow: FAKE_ESCROW,
    usdc: FAKE_USDC,
    provider: bookSettings({ pollMs: POLL_MS }),
    account: OPERATOR,
    thawingPeriodSeconds: 1_000_000n,
    dir,
    log: silentLog,
    now: Date.now,
    receiptPollMs: 20,
    closeWaitMs: 1,
  });
}

const rowOf = (
  what: string,
  ms: number,
  { p50, p99, p999, longest, collector, count }: Slices,
): Row => ({
  what,
  ms: Math.round(ms),
  "slice p50 ms": p50,
  "p99 ms": p99,
  "p99.9 ms": p999,
  "longest stall ms": longest,
  "collector ms": collector,
  slices: count,
});

/** Everything a round does with so many lanes due, and a fork after it. */
export async function measureStalls(): Promise<{ rows: Row[]; must: Must[] }> {
  const dir = await Deno.makeTempDir();
  const chain = willingChain(1n);
  const rows: Row[] = [];
  let longest = 0;
  async function measure<T>(what: string, work: () => Promise<T>): Promise<T> {
    const from = performance.now();
    const { value, slices } = await watchStalls(work);
    rows.push(rowOf(what, performance.now() - from, slices));
    longest = Math.max(longest, slices.p999);
    return value;
  }
  const lanes = Array.from({ length: LANES }, (_, n) => n);
  await writeOwedLanes(dir, lanes.map((n) => permitOf(Math.floor(n / LANES_EACH), n % LANES_EACH)));
  const started = performance.now();
  const payments = await open(dir, chain);
  rows.push({ what: "a start, before it serves", ms: Math.round(performance.now() - started) });
  const { ledger, settlement, follower } = payments;
  try {
    await follower.poll();
    await measure(`what is due of ${LANES} lanes`, () => ledger.due());
    await measure("gauges", async () => {
      for (let n = 0; n < 1_000; n++) await Promise.all([ledger.totals(), ledger.figures()]);
    });
    const settling = settlement.settleNow();
    await measure(
      `a round of ${LANES} lanes of ${LANES / LANES_EACH} payers opens`,
      () => until(() => chain.rows() > 0),
    );
    await measure("its batches", () => settling);
    await measure("its events heard", () => follower.poll());
    chain.reorganise(FORK_BLOCKS);
    await measure(`a fork of ${FORK_BLOCKS} blocks`, () => follower.poll());
    if (chain.rows() < LANES) throw new Error(`only ${chain.rows()} rows were settled`);
  } finally {
    await payments.close();
    await Deno.remove(dir, { recursive: true });
  }
  const name = `stall at ${LANES.toLocaleString("en")} lanes, p99.9 of each part`;
  return { rows, must: [atMost(name, longest, "ms", 20)] };
}

/** What a batch takes on the thread that answers callers. */
export async function measureBatch(): Promise<Row[]> {
  const charges = Array.from({ length: BATCH_ROWS }, (_, n): Charge => (
    { permit: permitOf(n, 0), credits: 1n, price: PRICE }
  ));
  const ours = await times(() => encodeCharges(charges));
  const args = [charges] as const;
  const viem = await times(() =>
    encodeFunctionData({ abi: escrowAbi, functionName: "consume", args })
  );
  const data = encodeCharges(charges);
  const sent = { to: FAKE_ESCROW, data, chainId: 31_337, nonce: 1, gas: 5_000_000n } as const;
  const fees = { maxFeePerGas: 2n, maxPriorityFeePerGas: 1n, type: "eip1559" } as const;
  const signed = await times(() => OPERATOR.signTransaction({ ...sent, ...fees }));
  return [
    { what: "encoding a batch", ms: ours, "of viem's": ours / viem },
    { what: "encoding a batch, viem", ms: viem },
    { what: "signing a batch", ms: signed },
  ];
}

async function times(work: () => unknown): Promise<number> {
  const all: number[] = [];
  for (let n = 0; n < TIMES; n++) {
    const from = performance.now();
    await work();
    all.push(performance.now() - from);
  }
  return quantile(all, 0.5);
}

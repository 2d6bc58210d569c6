/**
 * How long it takes on a real chain, with the real escrow and blocks of 30 million gas every two
 * seconds: until 5,000 lanes are settled, and until a provider that starts anew is current.
 */
import type { LocalAccount } from "viem";
import { type Chain, connect } from "../lib/chain/client.ts";
import { NEVER, setOperator } from "../lib/chain/escrow_provider.ts";
import { silentLog } from "../lib/log.ts";
import { type Permit, signPermit, UINT64_MAX } from "../lib/permit.ts";
import { openPayments, type Payments } from "../lib/provider/settlement/payments.ts";
import { ask, giveEther, setMining } from "../worlds/chain/anvil_calls.ts";
import { startCountingRpc } from "../worlds/chain/counting_rpc.ts";
import { type EscrowChain, fund, PRICE, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { putMulticall3 } from "../worlds/chain/multicall3.ts";
import { bookSettings, laneAt, payerAt } from "../worlds/chain/watched_payers.ts";
import { writeOwedLanes } from "./owed_lanes.ts";
import { atMost, type Must, type Row } from "./report.ts";

/** Of all lanes, seconds. */
const [SETTLED_MOST, STARTED_MOST] = [30, 5];
/** For which those hold. */
const LANES = 5_000;
const LANES_EACH = 250;
const BLOCK_SECONDS = 2;
/** Until the first transactions are out and mined, and known to be. */
const SETTLED_BLOCKS = 6;
const RPC_MS = 20;
const POLL_MS = 2_000;

/** @param lanes of fewer than 5,000 the bounds are as much lower, but for a few blocks' time */
export async function measureChain(lanes = LANES): Promise<{ rows: Row[]; must: Must[] }> {
  await using world = await startEscrowChain();
  const dir = await Deno.makeTempDir();
  await prepare(world, dir, lanes);
  await using far = startCountingRpc(world.rpc, RPC_MS);
  const name = lanes.toLocaleString("en");
  const most = (seconds: number, least: number) => Math.max(least, seconds * lanes / LANES);
  try {
    const settled = await measureSettlement(world, dir);
    const restarted = await measureRestart(world, dir, far.url);
    return {
      rows: [
        { what: `${lanes} lanes settled on anvil`, ms: Math.round(settled) },
        {
          what: `a start with them, RPC at ${RPC_MS} ms`,
          ms: Math.round(restarted),
          requests: far.requests.length,
        },
      ],
      must: [
        atMost(
          `${name} lanes settled at 2 s blocks`,
          settled / 1_000,
          "s",
          most(SETTLED_MOST, SETTLED_BLOCKS * BLOCK_SECONDS),
        ),
        atMost(
          `start with ${name} fresh lanes, current`,
          restarted / 1_000,
          "s",
          most(STARTED_MOST, STARTED_MOST / 2),
        ),
      ],
    };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Everybody has allowed what the lanes owe; from now on blocks come by time. */
async function prepare(world: EscrowChain, dir: string, lanes: number): Promise<void> {
  const { chain, escrow, accounts: { provider, operator } } = world;
  await putMulticall3(chain);
  await setOperator(chain, provider, escrow, operator.address, { expiry: NEVER, dailyCap: 0n });
  const permits: Permit[] = [];
  for (let n = 0; n < lanes / LANES_EACH; n++) {
    const payer = payerAt(n);
    await giveEther(chain, payer.address);
    await fund(world, payer, BigInt(LANES_EACH));
    for (let lane = 1; lane <= LANES_EACH; lane++) {
      permits.push(await permitOf(world, payer, lane));
    }
  }
  await writeOwedLanes(dir, permits);
  await setMining(chain, false);
  await ask(chain, "evm_setIntervalMining", BLOCK_SECONDS);
}

function permitOf(
  { chain, escrow, accounts: { provider } }: EscrowChain,
  payer: LocalAccount,
  lane: number,
): Promise<Permit> {
  return signPermit(payer, { chainId: chain.chainId, escrow }, {
    payer: payer.address,
    provider: provider.address,
    lane: laneAt(lane),
    price: PRICE,
    credits: 1n,
    deadline: UINT64_MAX,
    epoch: 0,
  });
}

/** From the ask until the escrow has taken all. @returns ms */
async function measureSettlement(world: EscrowChain, dir: string): Promise<number> {
  const payments = await open(world, dir, world.chain);
  try {
    await payments.follower.poll();
    const asked = performance.now();
    await payments.settlement.settleNow();
    const ms = performance.now() - asked;
    const { unsettled } = payments.ledger.totals();
    if (unsettled > 0n) throw new Error(`${unsettled} base units were not settled`);
    return ms;
  } finally {
    await payments.close();
  }
}

/** From the start of the books until they are level with the chain. @returns ms */
async function measureRestart(world: EscrowChain, dir: string, rpc: string): Promise<number> {
  const started = performance.now();
  const payments = await open(world, dir, await connect(rpc));
  try {
    while (!payments.follower.isCurrent()) await payments.follower.poll();
    return performance.now() - started;
  } finally {
    await payments.close();
  }
}

function open(world: EscrowChain, dir: string, chain: Chain): Promise<Payments> {
  const { escrow, usdc, accounts: { provider, operator } } = world;
  const settings = bookSettings({ pollMs: POLL_MS });
  // One credit of a tenth of a cent would be worth no gas.
  const gas = { ...settings.gas, coinPrice: 0n };
  return openPayments({
    chain,
    escrow,
    usdc,
    provider: { ...settings, address: provider.address, gas },
    account: operator,
    thawingPeriodSeconds: 3_600n,
    dir,
    log: silentLog,
    now: Date.now,
  });
}

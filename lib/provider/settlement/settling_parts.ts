/** The parts that send and settle, opened as the configuration says. */
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../../chain/client.ts";
import type { After } from "../../chain/outbox/pace.ts";
import { feeMaxOf, type ProviderConfig } from "../../config.ts";
import type { Log } from "../../log.ts";
import { Capacity } from "./capacity.ts";
import type { FollowerOptions } from "./follower.ts";
import { coinPriceOf } from "./gas_worth.ts";
import { openOperator, type Operator, type OperatorOptions } from "./operator.ts";
import { Settlement, type SettlementOptions } from "./settlement.ts";

export interface SettlingOptions {
  chain: Chain;
  escrow: Address;
  provider: ProviderConfig;
  account: LocalAccount;
  log: Log;
  now: () => number;
  /** Between two looks for receipts, ms. */
  receiptPollMs?: number;
  /** The timer of those looks; a test passes its own. */
  after?: After;
  /** How long the last batch is waited for when all is closed, ms. */
  closeWaitMs?: number;
}

/** Between the end of a run and its settlement on chain, seconds; at least three batches. */
const SETTLE_WINDOW_SECONDS = 120;
/** A head that is older is no chain, seconds. */
const HEAD_SECONDS = 120;
/** Chains on a developer's machine, whose blocks come with transactions. */
const LOCAL_CHAINS: ReadonlySet<number> = new Set([31_337, 1_337]);

/** How long before its end a debt is settled while nothing waits, seconds. */
export function windowSecondsOf({ settlement: { intervalSeconds }, sandbox }: ProviderConfig) {
  const runSeconds = Math.ceil(sandbox.timeoutMs / 1_000);
  return Math.max(SETTLE_WINDOW_SECONDS, 3 * intervalSeconds) + runSeconds;
}

/** How the escrow's events about the provider are followed. */
export function followingOf({ chain, escrow, provider, log, now }: SettlingOptions): Omit<
  FollowerOptions,
  "resumeAt" | "keep" | "onEvents" | "onReorg" | "onResume"
> {
  const { pollMs, finality, headSecondsMax } = provider.settlement;
  const isLocal = LOCAL_CHAINS.has(chain.chainId);
  return {
    chain,
    escrow,
    provider: provider.address,
    log,
    pollMs,
    finality,
    headSecondsMax: headSecondsMax ?? (isLocal ? null : HEAD_SECONDS),
    now,
  };
}

export function openOwnOperator(
  { chain, account, log, now, provider, receiptPollMs, after }: SettlingOptions,
  { store, onMined }: Pick<OperatorOptions, "store" | "onMined">,
): Promise<Operator> {
  return openOperator({
    store,
    chain,
    account,
    log,
    now,
    onMined,
    bumpAfterMs: provider.settlement.stuckSeconds * 1_000,
    feeMax: feeMaxOf(provider),
    ...(receiptPollMs === undefined ? {} : { pollMs: receiptPollMs }),
    ...(after === undefined ? {} : { after }),
  });
}

export function openSettlement(
  { chain, escrow, provider, log, now, closeWaitMs }: SettlingOptions,
  parts: Pick<SettlementOptions, "ledger" | "operator" | "watch" | "tally" | "begins">,
): Settlement {
  const { settlement: { intervalSeconds, amount, blockGasPercent }, gas } = provider;
  return new Settlement({
    ...parts,
    chain,
    escrow,
    provider: provider.address,
    capacity: new Capacity(blockGasPercent / 100),
    log,
    now,
    intervalMs: intervalSeconds * 1_000,
    amount,
    windowSeconds: windowSecondsOf(provider),
    coinPrice: coinPriceOf(chain.chainId, gas.coinPrice),
    ...(closeWaitMs === undefined ? {} : { closeWaitMs }),
  });
}

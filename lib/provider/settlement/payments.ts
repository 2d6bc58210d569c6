/**
 * The provider's books, opened and kept level with the chain: the ledger, the operator that sends
 * transactions, the views of payers, settlement, and what the chain's news mean for each.
 */
import { join } from "node:path";
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../../chain/client.ts";
import { feeMaxOf, type ProviderConfig } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openSqliteLedger, type SqliteLedger } from "../ledger/sqlite_ledger.ts";
import type { CreditPolicy } from "../money/credits.ts";
import { Payers } from "../money/payers.ts";
import { Capacity } from "./capacity.ts";
import { coinPriceOf } from "./gas_worth.ts";
import { type EscrowEvent, parseEscrowLogs, settlementsIn } from "./escrow_events.ts";
import { Follower } from "./follower.ts";
import { openOperator, type Operator } from "./operator.ts";
import { OperatorWatch } from "./operator_watch.ts";
import { createConsume } from "./settle_each.ts";
import { Settlement } from "./settlement.ts";

export interface PaymentsOptions {
  chain: Chain;
  escrow: Address;
  provider: ProviderConfig;
  account: LocalAccount;
  /** Notice that a payer gives before credits or permits leave, seconds. */
  thawingPeriodSeconds: bigint;
  /** Folder of the ledger and the operator's outbox. */
  dir: string;
  log: Log;
  now: () => number;
  /** Between two looks for receipts, ms. */
  receiptPollMs?: number;
  /** How long the last batch is waited for when all is closed, ms. */
  closeWaitMs?: number;
}

export interface Payments {
  readonly ledger: SqliteLedger;
  readonly operator: Operator;
  readonly payers: Payers;
  readonly settlement: Settlement;
  readonly follower: Follower;
  /** How the scheme "credits" is to ask the chain. */
  readonly policy: CreditPolicy;
  /** Settles what is due, then closes. */
  close(): Promise<void>;
}

/** Between the end of a run and its settlement on chain, seconds; at least three batches. */
const SETTLE_WINDOW_SECONDS = 120;
/** While events are heard, a view holds until one says otherwise; this is the second belt, ms. */
const FOLLOWED_AGE_MS = 60_000;
/** While they are not, a view holds this long, ms. */
const UNFOLLOWED_AGE_MS = 2_000;

/** Opens the books and starts to follow the chain. */
export async function openPayments(options: PaymentsOptions): Promise<Payments> {
  const { chain, escrow, account, dir, log, now } = options;
  const { address: provider, settlement: { intervalSeconds, amount, ...rest } } = options.provider;
  const runSeconds = Math.ceil(options.provider.sandbox.timeoutMs / 1_000);
  const windowSeconds = BigInt(Math.max(SETTLE_WINDOW_SECONDS, 3 * intervalSeconds) + runSeconds);
  const watch = new OperatorWatch({ chain, escrow, provider, operator: account.address, now });
  const ledger = await openSqliteLedger({
    path: join(dir, "ledger.db"),
    now,
    settleWindowSeconds: () => settlement.windowSeconds(),
    backlog: (lanes) => settlement.backlog(lanes),
    rowWorth: () => settlement.rowWorth(),
    thawingPeriodSeconds: options.thawingPeriodSeconds,
    operatorLimits: () => watch.limits(),
  });
  const operator = openOperator({
    path: join(dir, "operator.db"),
    chain,
    account,
    log,
    now,
    async onMined({ blockNumber: number, blockHash: hash, logs }) {
      follower.note({ number, hash });
      await ledger.record(settlementsIn(parseEscrowLogs(escrow, logs)));
    },
    bumpAfterMs: rest.stuckSeconds * 1_000,
    feeMax: feeMaxOf(options.provider),
    ...(options.receiptPollMs === undefined ? {} : { pollMs: options.receiptPollMs }),
  });
  const { finality } = rest;
  const payers = new Payers({ client: chain.public, escrow, provider, ledger, finality, now });
  const settlement = new Settlement({
    chain,
    escrow,
    provider,
    ledger,
    operator,
    watch,
    capacity: new Capacity(rest.blockGasPercent / 100),
    log,
    now,
    intervalMs: intervalSeconds * 1_000,
    amount,
    windowSeconds: Number(windowSeconds),
    coinPrice: coinPriceOf(chain.chainId, options.provider.gas.coinPrice),
    ...(options.closeWaitMs === undefined ? {} : { closeWaitMs: options.closeWaitMs }),
  });
  await watch.look();
  const follower = follow(options, { ledger, payers, settlement });
  const offlineAmount = rest.mode === "each" ? 0n : rest.offlineAmount;
  return {
    ledger,
    operator,
    payers,
    settlement,
    follower,
    policy: {
      consume: rest.mode === "each" ? createConsume(operator, escrow) : null,
      settleWindowSeconds: () => settlement.windowSeconds(),
      viewAgeMs: () => viewAgeMs(follower, ledger, offlineAmount),
      offlineAmount,
    },
    async close() {
      await follower.stop();
      ledger.stopHolding();
      await settlement.close();
      await operator.close();
      await ledger.close();
    },
  };
}

/** How old a view may be: older while the chain is heard of, no more than it may cost while not. */
function viewAgeMs(
  follower: Pick<Follower, "isCurrent">,
  ledger: Pick<Ledger, "totals">,
  offlineAmount: bigint,
): number {
  if (follower.isCurrent()) return FOLLOWED_AGE_MS;
  return ledger.totals().unsettled < offlineAmount ? UNFOLLOWED_AGE_MS : 0;
}

interface Books {
  ledger: Ledger;
  payers: Payers;
  settlement: Settlement;
}

/** What the chain's news mean for the books. */
function follow(options: PaymentsOptions, { ledger, payers, settlement }: Books): Follower {
  const { chain, escrow, log, now, provider: { address: provider, settlement: policy } } = options;

  async function onEvents(events: readonly EscrowEvent[]): Promise<void> {
    await ledger.record(settlementsIn(events));
    for (const { eventName, args: { payer } } of events) {
      payers.forget(payer);
      // The payer has given notice: what it owes is settled well before credits or permits go.
      if (eventName === "RevokeStarted" || eventName === "EpochBumped") {
        settlement.settlePayer(payer);
      }
      // More credits may cover what the escrow refused, an epoch that begins its permit.
      if (eventName === "Allowed" || eventName === "EpochBumped") settlement.revive(payer);
    }
  }

  async function onReorg(block: bigint): Promise<void> {
    payers.forget();
    await settlement.level(await ledger.unsure(block));
  }

  const { pollMs } = policy;
  return new Follower({ chain, escrow, provider, log, pollMs, onEvents, onReorg, now });
}

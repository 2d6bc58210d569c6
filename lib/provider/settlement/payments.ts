/**
 * The provider's books, opened and kept level with the chain: the ledger, the operator that sends
 * transactions, the views of payers, settlement, and what the chain's news mean for each.
 */
import { join } from "node:path";
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../../chain/client.ts";
import type { ProviderConfig } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { openSqliteLedger, type SqliteLedger } from "../ledger/sqlite_ledger.ts";
import type { CreditPolicy } from "../money/credits.ts";
import { Payers } from "../money/payers.ts";
import { ChargedElsewhere } from "./charged_elsewhere.ts";
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
  readonly elsewhere: ChargedElsewhere;
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
    settleWindowSeconds: windowSeconds,
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
    log,
    intervalMs: intervalSeconds * 1_000,
    amount,
    ...(options.closeWaitMs === undefined ? {} : { closeWaitMs: options.closeWaitMs }),
  });
  await watch.look();
  const elsewhere = new ChargedElsewhere(ledger, log);
  const follower = follow(options, { ledger, payers, settlement, elsewhere });
  const offlineAmount = rest.mode === "each" ? 0n : rest.offlineAmount;
  return {
    ledger,
    operator,
    payers,
    settlement,
    follower,
    elsewhere,
    policy: {
      consume: rest.mode === "each" ? createConsume(operator, escrow) : null,
      settleWindowSeconds: windowSeconds,
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
  elsewhere: ChargedElsewhere;
}

/** What the chain's news mean for the books. */
function follow(options: PaymentsOptions, books: Books): Follower {
  const { ledger, payers, settlement, elsewhere } = books;
  const { chain, escrow, log, now, provider: { address: provider, settlement: policy } } = options;

  async function onEvents(events: readonly EscrowEvent[]): Promise<void> {
    const settled = settlementsIn(events);
    // Where the escrow takes a credit before its run, it is ahead of the book as a rule.
    if (policy.mode === "batch") await elsewhere.look(settled);
    await ledger.record(settled);
    for (const { eventName, args: { payer } } of events) {
      payers.forget(payer);
      // The payer has given notice: what it owes is settled well before credits or permits go.
      if (eventName === "RevokeStarted" || eventName === "EpochBumped") settlement.settleNow();
      // More credits may cover what the escrow refused, an epoch that begins its permit.
      if (eventName !== "Allowed" && eventName !== "EpochBumped") continue;
      for (const lane of await ledger.refused(payer)) await settlement.level(lane);
    }
  }

  async function onReorg(block: bigint): Promise<void> {
    payers.forget();
    for (const lane of await ledger.unsure(block)) await settlement.level(lane);
  }

  const { pollMs } = policy;
  return new Follower({ chain, escrow, provider, log, pollMs, onEvents, onReorg, now });
}

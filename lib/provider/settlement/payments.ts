/**
 * The provider's books, opened and kept level with the chain: the ledger, the operator that sends
 * transactions, the views of payers, settlement, and what the chain's news mean for each.
 */
import { join } from "node:path";
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../../chain/client.ts";
import type { After } from "../../chain/outbox/pace.ts";
import { feeMaxOf, type ProviderConfig } from "../../config.ts";
import type { Log } from "../../log.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { Purchases } from "../ledger/purchases.ts";
import { openSqliteLedger, type SqliteLedger } from "../ledger/sqlite_ledger.ts";
import type { CreditPolicy } from "../money/credits.ts";
import { Capacity } from "./capacity.ts";
import { coinPriceOf } from "./gas_worth.ts";
import { type Followed, Payers } from "../money/payers.ts";
import {
  type EscrowEvent,
  parseEscrowLogs,
  payerEventsIn,
  settlementsIn,
} from "./escrow_events.ts";
import { BlockWatch } from "./exact/block_watch.ts";
import { ExactSettlement } from "./exact/exact_settlement.ts";
import { keepFollowedBlock, readFollowedBlock } from "./followed_block.ts";
import { ChargedElsewhere } from "./charged_elsewhere.ts";
import { Follower } from "./follower.ts";
import type { BlockId } from "./known_blocks.ts";
import { openOperator, type Operator } from "./operator.ts";
import { type LimitsAsOf, OperatorWatch } from "./operator_watch.ts";
import { createConsume } from "./settle_each.ts";
import { Settlement, type SettlementOptions } from "./settlement.ts";

export interface PaymentsOptions {
  chain: Chain;
  escrow: Address;
  usdc: Address;
  provider: ProviderConfig;
  account: LocalAccount;
  /** Of the operator, as they were read a moment ago. */
  limits?: LimitsAsOf | null;
  /** Notice that a payer gives before credits or permits leave, seconds. */
  thawingPeriodSeconds: bigint;
  /** Folder of the ledger and the operator's outbox. */
  dir: string;
  log: Log;
  now: () => number;
  /** Between two looks for receipts, ms. */
  receiptPollMs?: number;
  /** The timer of those looks; a test passes its own. */
  after?: After;
  /** How long the last batch is waited for when all is closed, ms. */
  closeWaitMs?: number;
}

export interface Payments {
  readonly ledger: SqliteLedger;
  readonly operator: Operator;
  readonly payers: Payers;
  readonly settlement: Settlement;
  readonly follower: Follower;
  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[];
  readonly elsewhere: ChargedElsewhere;
  /** Single payments: what was bought, and how it is paid. */
  readonly purchases: Purchases;
  readonly exact: ExactSettlement;
  /** How the scheme "credits" is to ask the chain. */
  readonly policy: CreditPolicy;
  /** Settles what is due, then closes. */
  close(): Promise<void>;
}

/** Between the end of a run and its settlement on chain, seconds; at least three batches. */
const SETTLE_WINDOW_SECONDS = 120;
/** While no events are heard, a view holds this long, ms. */
const UNFOLLOWED_AGE_MS = 2_000;
/** A head that is older is no chain, seconds. */
const HEAD_SECONDS = 120;
/** Chains on a developer's machine, whose blocks come with transactions. */
const LOCAL_CHAINS: ReadonlySet<number> = new Set([31_337, 1_337]);

/** Opens the books and starts to follow the chain. */
export async function openPayments(options: PaymentsOptions): Promise<Payments> {
  const { chain, escrow, account, dir, log, now } = options;
  const { settlement: rest } = options.provider;
  const watch = openOperatorWatch(options);
  const chainNews = new ChainNews();
  const laterNow = () => chainNews.follower?.laterNow() ?? now();
  const ledger = await openSqliteLedger({
    path: join(dir, "ledger.db"),
    now: laterNow,
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
      chainNews.note({ number, hash });
      await ledger.record(settlementsIn(parseEscrowLogs(escrow, logs)));
      await exact.onMined({ logs });
    },
    bumpAfterMs: rest.stuckSeconds * 1_000,
    feeMax: feeMaxOf(options.provider),
    ...(options.receiptPollMs === undefined ? {} : { pollMs: options.receiptPollMs }),
    ...(options.after === undefined ? {} : { after: options.after }),
  });
  const { purchases, exact } = openExact(options, operator, laterNow, chainNews);
  const payers = openPayers(options, ledger, chainNews);
  const settlement = openSettlement(options, { ledger, operator, watch });
  await watch.first();
  const elsewhere = new ChargedElsewhere(ledger, log);
  const follower = await follow(options, { ledger, payers, settlement, elsewhere, exact });
  chainNews.from(follower);
  exact.start();
  const offlineAmount = rest.mode === "each" ? 0n : rest.offlineAmount;
  return {
    ledger,
    operator,
    payers,
    settlement,
    follower,
    alarms: () =>
      [follower, settlement, operator, elsewhere, exact].flatMap((part) => part.alarms()),
    elsewhere,
    purchases,
    exact,
    policy: {
      consume: rest.mode === "each" ? createConsume(operator, escrow) : null,
      settleWindowSeconds: () => settlement.windowSeconds(),
      viewAgeMs: () => viewAgeMs(follower, ledger, offlineAmount),
      laterNow,
      offlineAmount,
    },
    async close() {
      // Who waits for a payment is told first that nobody knows yet: the rest may take its time.
      await exact.close();
      await follower.stop();
      ledger.stopHolding();
      await settlement.close();
      await operator.close();
      await ledger.close();
      purchases.close();
    },
  };
}

function openOperatorWatch(
  { chain, escrow, provider: { address: provider }, account, limits = null, now }: PaymentsOptions,
): OperatorWatch {
  const operator = account.address;
  return new OperatorWatch({ chain, escrow, provider, operator, read: limits, now });
}

function openExact(
  { chain, usdc, provider, dir, log, now, after }: PaymentsOptions,
  operator: Operator,
  laterNow: () => number,
  chainNews: ChainNews,
) {
  const path = join(dir, "purchases.db");
  const purchases = new Purchases({ path, chainId: chain.chainId, asset: usdc, now });
  const blocks = new BlockWatch({
    head: () => chain.public.getBlockNumber({ cacheTime: 0 }),
    now,
    ...(after === undefined ? {} : { after }),
  });
  const exact = new ExactSettlement({
    chain,
    usdc,
    payTo: provider.address,
    purchases,
    operator,
    blocks,
    coinPrice: coinPriceOf(chain.chainId, provider.gas.coinPrice),
    log,
    laterNow,
    onRest: (block) => chainNews.note(block),
  });
  return { purchases, exact };
}

function openSettlement(
  { chain, escrow, provider, log, now, closeWaitMs }: PaymentsOptions,
  parts: Pick<SettlementOptions, "ledger" | "operator" | "watch">,
): Settlement {
  const { settlement: { intervalSeconds, amount, blockGasPercent }, sandbox, gas } = provider;
  const runSeconds = Math.ceil(sandbox.timeoutMs / 1_000);
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
    windowSeconds: Math.max(SETTLE_WINDOW_SECONDS, 3 * intervalSeconds) + runSeconds,
    coinPrice: coinPriceOf(chain.chainId, gas.coinPrice),
    ...(closeWaitMs === undefined ? {} : { closeWaitMs }),
  });
}

/** Who follows the chain, once the books that it tells are open; they ask it for the time. */
class ChainNews {
  follower: Follower | null = null;
  readonly #early: BlockId[] = [];

  from(follower: Follower): void {
    this.follower = follower;
    for (const block of this.#early.splice(0)) follower.note(block);
  }

  /** The books rest on this block. */
  note(block: BlockId): void {
    if (this.follower) this.follower.note(block);
    else this.#early.push(block);
  }
}

function openPayers(
  { chain, escrow, log, now, provider }: PaymentsOptions,
  ledger: Ledger,
  chainNews: ChainNews,
): Payers {
  return new Payers({
    chain,
    escrow,
    provider: provider.address,
    ledger,
    finality: provider.settlement.finality,
    log,
    now,
    isStandingStill: () => chainNews.follower?.isStandingStill() ?? false,
    onBlock: (block) => chainNews.note(block),
  });
}

/** How old a view may be: any age while events keep it, no more than it may cost while not. */
function viewAgeMs(
  follower: Pick<Follower, "isCurrent">,
  ledger: Pick<Ledger, "totals">,
  offlineAmount: bigint,
): number {
  if (follower.isCurrent()) return Infinity;
  return ledger.totals().unsettled < offlineAmount ? UNFOLLOWED_AGE_MS : 0;
}

interface Books {
  ledger: Ledger;
  payers: Payers;
  settlement: Settlement;
  elsewhere: ChargedElsewhere;
  exact: ExactSettlement;
}

/** What the chain's news mean for the books. */
async function follow(
  options: PaymentsOptions,
  { ledger, payers, settlement, elsewhere, exact }: Books,
): Promise<Follower> {
  const { chain, escrow, dir, log, now, provider: { address: provider } } = options;
  const { mode, pollMs, finality, headSecondsMax } = options.provider.settlement;
  const isLocal = LOCAL_CHAINS.has(chain.chainId);

  async function onEvents(events: readonly EscrowEvent[], followed: Followed): Promise<void> {
    const settled = settlementsIn(events);
    // Where the escrow takes a credit before its run, it is ahead of the book as a rule.
    if (mode === "batch") await elsewhere.look(settled);
    await ledger.record(settled);
    payers.hear(payerEventsIn(events), followed);
    for (const { eventName, args: { payer } } of events) {
      // The payer has given notice: what it owes is settled well before credits or permits go.
      const isNotice = eventName === "RevokeStarted" || eventName === "EpochBumped";
      if (isNotice) settlement.settlePayer(payer);
      // More credits may cover what the escrow refused, an epoch that begins its permit.
      if (eventName === "Allowed" || eventName === "EpochBumped") settlement.revive(payer);
    }
    payers.check();
  }

  async function onReorg(block: bigint): Promise<void> {
    payers.undo(block);
    exact.doubtAbove(block);
    await settlement.level(await ledger.unsure(block));
  }

  const path = join(dir, "followed.json");
  const subject = { chainId: chain.chainId, escrow, provider };
  return new Follower({
    chain,
    escrow,
    provider,
    log,
    pollMs,
    finality,
    headSecondsMax: headSecondsMax ?? (isLocal ? null : HEAD_SECONDS),
    resumeAt: await readFollowedBlock(path, subject),
    keep: (block) => keepFollowedBlock(path, subject, block),
    onEvents,
    onReorg,
    onResume: async (block) => {
      exact.doubtAbove(block);
      await settlement.level(await ledger.settledAbove(block));
    },
    now,
  });
}

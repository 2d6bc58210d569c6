/**
 * The provider's books, opened and kept level with the chain: the ledger, the operator that sends
 * transactions, the views of payers, settlement, and what the chain's news mean for each.
 */
import { join } from "node:path";
import type { Address } from "viem";
import type { Ledger } from "../ledger/ledger.ts";
import type { CallPurchases } from "../ledger/purchase_book.ts";
import { Purchases } from "../ledger/purchases.ts";
import { type CallLedger, LedgerSeat } from "../ledger/ledger_seat.ts";
import { PurchasesSeat } from "../ledger/purchases_seat.ts";
import { openSqliteLedger } from "../ledger/sqlite_ledger.ts";
import type { LeftStore, Upkeep } from "../ledger/store.ts";
import type { CreditPolicy } from "../money/credits.ts";
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
import { ChainNews } from "./chain_news.ts";
import { keepFollowedBlock, readFollowedBlock } from "./followed_block.ts";
import { ChargedElsewhere } from "./charged_elsewhere.ts";
import { Follower } from "./follower.ts";
import { type CallSettler, SettlerSeat } from "./exact/settler_seat.ts";
import type { Operator } from "./operator.ts";
import { type CallOperator, OperatorSeat } from "./operator_seat.ts";
import { openOutboxStore } from "./outbox_store.ts";
import { OperatorWatch } from "./operator_watch.ts";
import { offlineAmountOf, viewAgeMs } from "./view_age.ts";
import { createConsume } from "./settle_each.ts";
import { heedPayers, recordEvents, recordReorg, recordResume } from "./recording.ts";
import type { Settlement } from "./settlement.ts";
import {
  followingOf,
  openOwnOperator,
  openSettlement,
  type SettlingOptions,
} from "./settling_parts.ts";
import { SettlementTally } from "./tally.ts";

export interface PaymentsOptions extends SettlingOptions {
  usdc: Address;
  /** Notice that a payer gives before credits or permits leave, seconds. */
  thawingPeriodSeconds: bigint;
  /** Folder of the ledger and the operator's outbox. */
  dir: string;
  /** How the process before left the ledger, where its runs go on. */
  left?: LeftStore;
  /** Has looked at the chain; else one is made, and waited for. */
  watch?: OperatorWatch;
}

/** Who has the books next, as far as calls that go on here are concerned. */
export interface Heir extends CallLedger, CallPurchases, CallSettler, CallOperator {}

export interface Payments {
  readonly ledger: LedgerSeat;
  readonly operator: Operator;
  readonly payers: Payers;
  readonly settlement: Settlement;
  readonly tally: Pick<SettlementTally, "figures">;
  readonly follower: Follower;
  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[];
  readonly elsewhere: ChargedElsewhere;
  /** Single payments: what was bought, and how it is paid. */
  readonly purchases: Purchases;
  /** These three are for calls, which they lead to where the books are. */
  readonly callPurchases: PurchasesSeat;
  readonly settler: SettlerSeat;
  readonly sender: OperatorSeat;
  /** How the scheme "credits" is to ask the chain. */
  readonly policy: CreditPolicy;
  /**
   * Sends nothing more when it resolves: what is out is the next process's. Calls go on; what of
   * them has to be sent waits for `heir`.
   */
  retire(heir: Promise<Heir>): Promise<void>;
  /** Writes nothing more when it resolves: calls that go on go by `heir`, and wait for it. */
  handOver(heir: Promise<Heir>): Promise<void>;
  /** Settles what is due, then closes; what was handed over is only left. */
  close(): Promise<void>;
}

/** A process that hands over waits so long for what it relays to be mined, ms. */
const RELAYS_WAIT_MS = 3_000;

/** Opens the books and starts to follow the chain. */
export async function openPayments(options: PaymentsOptions): Promise<Payments> {
  const { chain, escrow, account, dir, log, now } = options;
  const { address: provider, settlement: rest } = options.provider;
  const operatorsOwn = { chain, escrow, provider, operator: account.address, now };
  const watch = options.watch ?? new OperatorWatch(operatorsOwn);
  const tenure: Tenure = { isOver: false };
  const chainNews = new ChainNews();
  const tally = new SettlementTally(now);
  const laterNow = () => chainNews.follower?.laterNow() ?? now();
  const ledger = new LedgerSeat(
    await openSqliteLedger({
      path: join(dir, "ledger.db"),
      now: laterNow,
      settleWindowSeconds: () => settlement.windowSeconds(),
      backlog: (lanes) => settlement.backlog(lanes),
      rowWorth: () => settlement.rowWorth(),
      finalBlock: () => chainNews.follower?.finalBlock() ?? -1n,
      thawingPeriodSeconds: options.thawingPeriodSeconds,
      operatorLimits: () => watch.limits(),
      upkeep: upkeepOf(options),
    }, options.left),
  );
  const operator = await openOwnOperator(options, {
    store: openOutboxStore(join(dir, "operator.db")),
    async onMined(receipt) {
      const { blockNumber: number, blockHash: hash, logs } = receipt;
      tally.paid(receipt);
      chainNews.note({ number, hash });
      await ledger.record(settlementsIn(parseEscrowLogs(escrow, logs)));
      await exact.onMined({ logs });
    },
  });
  const { purchases, exact } = openExact(options, operator, laterNow, chainNews);
  const payers = openPayers(options, ledger, chainNews);
  const settlement = openSettlement(options, { ledger, operator, watch, tally });
  if (!options.watch) await watch.look();
  const elsewhere = new ChargedElsewhere(ledger, log);
  const books = { ledger, payers, settlement, elsewhere, exact };
  const follower = await follow(options, books, tenure);
  chainNews.from(follower);
  exact.start();
  const seats = {
    callPurchases: new PurchasesSeat(purchases),
    settler: new SettlerSeat(exact),
    sender: new OperatorSeat(operator),
  };
  return {
    ledger,
    operator,
    payers,
    settlement,
    tally,
    follower,
    alarms: () =>
      [follower, settlement, operator, elsewhere, exact].flatMap((part) => part.alarms()),
    elsewhere,
    purchases,
    ...seats,
    policy: {
      consume: rest.mode === "each" ? createConsume(seats.sender, escrow) : null,
      settleWindowSeconds: () => settlement.windowSeconds(),
      viewAgeMs: () => viewAgeMs(follower, ledger, offlineAmountOf(rest)),
      laterNow,
      offlineAmount: offlineAmountOf(rest),
    },
    ...endings({ ledger, operator, settlement, follower, purchases, exact, ...seats }, tenure),
  };
}

function upkeepOf({ provider: { ledger }, log }: PaymentsOptions): Upkeep {
  const { rows, archiveGb, receiptGb } = ledger;
  const policy = { rows, archiveBytes: archiveGb * 1e9, receiptBytes: receiptGb * 1e9 };
  const onTrouble = (error: unknown) => log.warn("the journal was not tended", { error });
  return { policy, onTrouble };
}

type Ended = Pick<
  Payments,
  | "ledger"
  | "operator"
  | "settlement"
  | "follower"
  | "purchases"
  | "callPurchases"
  | "settler"
  | "sender"
>;

/** How the books pass on, or are closed. */
function endings(
  parts: Ended & { exact: ExactSettlement },
  tenure: Tenure,
): Pick<Payments, "retire" | "handOver" | "close"> {
  const { ledger, operator, settlement, follower, purchases, exact } = parts;
  return {
    async retire(heir) {
      tenure.isOver = true;
      parts.sender.move(heir);
      parts.settler.move(heir);
      await Promise.all([settlement.retire(), parts.sender.sent(RELAYS_WAIT_MS), follower.poll()]);
      await exact.close();
      await operator.close();
    },
    async handOver(heir) {
      ledger.move(heir);
      parts.callPurchases.move(heir);
      await ledger.close();
    },
    async close() {
      if (!tenure.isOver) {
        return await closeAll({ exact, follower, ledger, settlement, operator, purchases });
      }
      await follower.stop();
      purchases.close();
    },
  };
}

async function closeAll(
  { exact, follower, ledger, settlement, operator, purchases }:
    & Pick<Payments, "follower" | "ledger" | "settlement" | "operator" | "purchases">
    & { exact: ExactSettlement },
): Promise<void> {
  // Who waits for a payment is told first that nobody knows yet: the rest may take its time.
  await exact.close();
  await follower.stop();
  ledger.stopHolding();
  await settlement.close();
  await operator.close();
  await ledger.close();
  purchases.close();
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

/** Of the books: they are ours until they are handed over. */
interface Tenure {
  isOver: boolean;
}

interface Books {
  ledger: Ledger;
  payers: Payers;
  settlement: Settlement;
  elsewhere: ChargedElsewhere;
  exact: ExactSettlement;
}

/**
 * What the chain's news mean for the books. Once these are handed over, only views of payers are
 * kept up here, for calls that go on.
 */
async function follow(
  options: PaymentsOptions,
  { payers, elsewhere, ...books }: Books,
  tenure: Tenure,
): Promise<Follower> {
  const { chain, escrow, dir, provider: { address: provider, settlement: { mode } } } = options;
  const recording = { ...books, elsewhere: mode === "batch" ? elsewhere : null };

  async function onEvents(events: readonly EscrowEvent[], followed: Followed): Promise<void> {
    if (tenure.isOver) return payers.hear(payerEventsIn(events), followed);
    await recordEvents(recording, events);
    payers.hear(payerEventsIn(events), followed);
    heedPayers(recording, events);
    payers.check();
  }

  const path = join(dir, "followed.json");
  const subject = { chainId: chain.chainId, escrow, provider };
  return new Follower({
    ...followingOf(options),
    resumeAt: await readFollowedBlock(path, subject),
    keep: async (block) => {
      if (!tenure.isOver) await keepFollowedBlock(path, subject, block);
    },
    onEvents,
    onReorg: async (block) => {
      payers.undo(block);
      if (!tenure.isOver) await recordReorg(recording, block);
    },
    onResume: (block) => recordResume(recording, block),
  });
}

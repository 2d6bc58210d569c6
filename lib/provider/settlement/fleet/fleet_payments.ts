/**
 * The money of one node of a fleet: views of payers, kept by following the chain here; the ledger,
 * which all share; and what one node at a time does for all, while that is this one.
 */
import type { Database } from "../../fleet/database.ts";
import { type Leader, Leadership } from "../../fleet/leadership.ts";
import type { Settling } from "../../ledger/judge.ts";
import type { PostgresLedger } from "../../ledger/postgres/postgres_ledger.ts";
import type { CreditPolicy } from "../../money/credits.ts";
import { Payers } from "../../money/payers.ts";
import { ChainNews } from "../chain_news.ts";
import { ChargedElsewhere } from "../charged_elsewhere.ts";
import { payerEventsIn } from "../escrow_events.ts";
import { Follower } from "../follower.ts";
import { askChain } from "../operator_questions.ts";
import { OperatorWatch } from "../operator_watch.ts";
import { followingOf, type SettlingOptions, windowSecondsOf } from "../settling_parts.ts";
import { SettlementTally } from "../tally.ts";
import { offlineAmountOf, viewAgeMs } from "../view_age.ts";
import { FleetSettlement } from "./fleet_settlement.ts";
import { openTenure, type TenureExactOpener } from "./tenure.ts";
import { FleetOperator } from "./wishes.ts";

export interface FleetPaymentsOptions extends SettlingOptions {
  database: Database;
  /** Of this node, as it is now. */
  session(): number;
  openLedger(settling: () => Settling): PostgresLedger;
  /** Notice that a payer gives before credits or permits leave, seconds. */
  thawingPeriodSeconds: bigint;
  /** Has looked at the chain; else one is made, and waited for. */
  watch?: OperatorWatch;
  openExact?: TenureExactOpener;
  /** Between two beats of who leads, ms. */
  beatMs?: number;
}

export interface FleetPayments {
  readonly ledger: PostgresLedger;
  readonly payers: Payers;
  readonly settlement: FleetSettlement;
  /** Has whoever leads send. */
  readonly sender: FleetOperator;
  readonly leadership: Leadership;
  /** For views alone. */
  readonly follower: Follower;
  /** Of what was sent from here. */
  readonly tally: Pick<SettlementTally, "figures">;
  readonly elsewhere: ChargedElsewhere;
  /** How the scheme "credits" is to ask the chain. */
  readonly policy: CreditPolicy;
  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[];
  /** Another node leads from now on; calls go on here. */
  resign(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens it and begins to lead, where nobody does.
 * @throws KhachapuriError `database_unavailable`
 */
export async function openFleetPayments(options: FleetPaymentsOptions): Promise<FleetPayments> {
  const { chain, escrow, account, database, log, now } = options;
  const { address: provider } = options.provider;
  const watch = options.watch ??
    new OperatorWatch({ chain, escrow, provider, operator: account.address, now });
  if (!options.watch) await watch.look();
  const news = new ChainNews();
  const laterNow = () => news.follower?.laterNow() ?? now();
  const tally = new SettlementTally(now);
  const sender = new FleetOperator({
    database,
    questions: askChain(chain, account.address, now),
    onWish: () => settlement.tenure?.desk.look(),
  });
  const settlement: FleetSettlement = new FleetSettlement({
    open: (term) => openTenure({ ...options, ledger, tally, elsewhere }, term),
    ...{ watch, sender, log },
    windowSeconds: windowSecondsOf(options.provider),
  });
  const ledger = options.openLedger(() => ({
    now: BigInt(Math.floor(laterNow() / 1_000)),
    settleWindow: settlement.windowSeconds(),
    thawingPeriod: options.thawingPeriodSeconds,
    operator: settlement.operatorLimits(),
    backlog: (lanes) => settlement.backlog(lanes),
    rowWorth: settlement.rowWorth(),
  }));
  const elsewhere = new ChargedElsewhere(ledger, log);
  const payers = openPayers(options, ledger, news);
  const follower = followForViews(options, payers, ledger);
  news.from(follower);
  const leadership = await openLeadership(options, settlement, ledger);
  const offlineAmount = offlineAmountOf(options.provider.settlement);
  return {
    ...{ ledger, payers, settlement, sender, leadership, follower, tally, elsewhere },
    policy: {
      consume: null,
      settleWindowSeconds: () => settlement.windowSeconds(),
      viewAgeMs: () => viewAgeMs(follower, ledger, offlineAmount),
      laterNow,
      offlineAmount,
    },
    alarms: () => [follower, settlement, elsewhere].flatMap((part) => part.alarms()),
    resign: () => leadership.resign(),
    async close() {
      await leadership.resign().catch((error) => {
        log.warn("the others hear late that this node leads no more", { error });
      });
      await leadership.close();
      await Promise.all([settlement.close(), follower.stop(), sender.close()]);
      await ledger.close();
    },
  };
}

function openPayers(
  { chain, escrow, log, now, provider }: FleetPaymentsOptions,
  ledger: PostgresLedger,
  news: ChainNews,
): Payers {
  return new Payers({
    chain,
    escrow,
    provider: provider.address,
    ledger,
    finality: provider.settlement.finality,
    log,
    now,
    isStandingStill: () => news.follower?.isStandingStill() ?? false,
    onBlock: (block) => news.note(block),
  });
}

/** Whoever leads records what the chain tells; here it is heard for what is promised. */
function followForViews(
  options: FleetPaymentsOptions,
  payers: Payers,
  ledger: PostgresLedger,
): Follower {
  let hasBegun = false;
  return new Follower({
    ...followingOf(options),
    onEvents(events, followed) {
      hasBegun = true;
      payers.hear(payerEventsIn(events), followed);
      payers.check();
      return Promise.resolve();
    },
    async onReorg(block) {
      payers.undo(block);
      // The first look tells that nobody watched before, and here nothing was read before.
      if (hasBegun) await ledger.forgetAbove(block);
    },
    onResume: () => Promise.resolve(),
  });
}

function openLeadership(
  { database, session, log, beatMs }: FleetPaymentsOptions,
  settlement: FleetSettlement,
  ledger: PostgresLedger,
): Promise<Leadership> {
  const onTrouble = (error: unknown) => log.debug("who leads is not heard", { error });
  return Leadership.begin({
    database,
    session,
    facts: () => settlement.facts(),
    onGained: (term) => settlement.gained(term),
    onLost: () => settlement.lost(),
    onLeader: (leader: Leader) => {
      ledger.refresh().then(() => settlement.heard(leader)).catch(onTrouble);
    },
    onTrouble,
    ...(beatMs === undefined ? {} : { beatMs }),
  });
}

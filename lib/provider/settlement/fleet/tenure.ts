/**
 * All that one node does for as long as it leads: it takes up what the leader before had signed,
 * writes down what the chain told since that one stopped, levels what may have gone, and then
 * settles, sends what others wish for, and records what the chain tells.
 */
import type { TransactionReceipt } from "viem";
import { pause } from "../../../pause.ts";
import { within } from "../../../within.ts";
import type { Database } from "../../fleet/database.ts";
import type { Term } from "../../fleet/leadership.ts";
import type { Ledger } from "../../ledger/ledger.ts";
import type { OperatorLimits } from "../../ledger/operator_room.ts";
import { JournalPruning } from "../../ledger/postgres/journal_pruning.ts";
import { ChainNews } from "../chain_news.ts";
import type { ChargedElsewhere } from "../charged_elsewhere.ts";
import { parseEscrowLogs, settlementsIn } from "../escrow_events.ts";
import type { ExactSettlement } from "../exact/exact_settlement.ts";
import { Follower } from "../follower.ts";
import type { Operator } from "../operator.ts";
import { OperatorWatch } from "../operator_watch.ts";
import { postgresOutboxStore } from "../postgres_outbox_store.ts";
import { heedPayers, recordEvents, recordReorg, recordResume } from "../recording.ts";
import type { Settlement } from "../settlement.ts";
import {
  followingOf,
  openOwnOperator,
  openSettlement,
  type SettlingOptions,
} from "../settling_parts.ts";
import type { SettlementTally } from "../tally.ts";
import type { SettlingFacts } from "./leader_facts.ts";
import { keepSharedFollowedBlock, readSharedFollowedBlock } from "./shared_followed_block.ts";
import { tellMined, WishDesk } from "./wish_desk.ts";

/** Payments by authorisation, while this node moves them. */
export type TenureExact = Pick<
  ExactSettlement,
  "start" | "onMined" | "doubtAbove" | "alarms" | "close"
>;

export interface TenureOptions extends SettlingOptions {
  database: Database;
  ledger: Ledger;
  tally: SettlementTally;
  elsewhere: ChargedElsewhere;
  /** Absent: there are no such payments. */
  openExact?: TenureExactOpener | undefined;
}

/** @param note is told each block that its book rests on */
export type TenureExactOpener = (
  operator: Operator,
  note: ChainNews["note"],
  term: Term,
) => TenureExact;

export interface Tenure {
  readonly operator: Operator;
  readonly settlement: Settlement;
  readonly desk: WishDesk;
  readonly follower: Follower;
  /** What the operator may settle, with what is on its way. */
  limits(): OperatorLimits | null;
  facts(): SettlingFacts;
  alarms(): readonly string[];
  /** Sends and settles nothing more when it resolves; what is out is the next leader's. */
  close(): Promise<void>;
}

/** So long the chain's word is waited for, ms. */
const LIMITS_MS = 2_000;
/** What is out from before may settle what is due: it is waited for so long, ms. */
const INHERITED_MS = 30_000;

/** @throws KhachapuriError `database_unavailable` */
export async function openTenure(options: TenureOptions, term: Term): Promise<Tenure> {
  const { chain, escrow, account, database, ledger, tally, elsewhere, log, now } = options;
  const news = new ChainNews();
  let exact: TenureExact | null = null;

  async function onMined(receipt: TransactionReceipt): Promise<void> {
    const { blockNumber: number, blockHash: hash, logs } = receipt;
    news.note({ number, hash });
    await ledger.record(settlementsIn(parseEscrowLogs(escrow, logs)));
    await exact?.onMined({ logs });
    await tellMined(database, receipt);
    tally.paid(receipt);
  }

  const { provider: { address: provider } } = options;
  // What is on its way counts with who sent it: each tenure begins to count anew.
  const watch = new OperatorWatch({ chain, escrow, provider, operator: account.address, now });
  await within(watch.first(), LIMITS_MS);
  const resumeAt = await readSharedFollowedBlock(database, subjectOf(options));
  const store = postgresOutboxStore(database, term);
  const operator = await openOwnOperator(options, { store, onMined });
  exact = options.openExact?.(operator, (block) => news.note(block), term) ?? null;
  const isWaiting = new AbortController();
  operator.inherited.then(() => isWaiting.abort());
  const begins = pause(INHERITED_MS, isWaiting.signal);
  const settlement = openSettlement(options, { ledger, operator, watch, tally, begins });
  const settle = () => settlement.settleNow();
  const onTrouble = (error: unknown) => log.debug("wishes are not looked for", { error });
  const desk = new WishDesk({ database, term, operator, settle, onTrouble });
  const recording = { ledger, settlement, elsewhere, exact };
  const follower = new Follower({
    ...followingOf(options),
    resumeAt,
    keep: (block) => keepSharedFollowedBlock(database, subjectOf(options), block),
    async onEvents(events) {
      await recordEvents(recording, events);
      heedPayers(recording, events);
    },
    onReorg: (block) => recordReorg(recording, block),
    onResume: (block) => recordResume(recording, block),
  });
  news.from(follower);
  const pruning = new JournalPruning({
    database,
    rowsMost: options.provider.ledger.rows,
    now,
    onTrouble: (error) => log.warn("the journal was not tended", { error }),
  });
  exact?.start();
  return {
    ...{ operator, settlement, desk, follower },
    limits: () => watch.limits(),
    facts: () => factsOf({ ledger, watch, operator, settlement, follower }),
    alarms: () =>
      [settlement, operator, ...(exact ? [exact] : [])].flatMap((part) => part.alarms()),
    async close() {
      isWaiting.abort();
      await Promise.all([exact?.close(), settlement.retire(), desk.close(), follower.stop()]);
      await pruning.close();
      await operator.close();
    },
  };
}

function subjectOf({ chain: { chainId }, escrow, provider }: SettlingOptions) {
  return { chainId, escrow, provider: provider.address };
}

function factsOf(
  { ledger, watch, operator, settlement, follower }:
    & Pick<TenureOptions, "ledger">
    & { watch: OperatorWatch }
    & Pick<Tenure, "operator" | "settlement" | "follower">,
): SettlingFacts {
  const { unsettled, dueLanes } = ledger.totals();
  const chainAgeMs = follower.ageMs();
  return {
    ...settlement.pace(),
    operator: watch.limits(),
    unsettled,
    dueLanes,
    behindSeconds: settlement.behindSeconds(),
    pending: operator.pending(),
    head: follower.head(),
    chainAgeMs: Number.isFinite(chainAgeMs) ? chainAgeMs : null,
  };
}

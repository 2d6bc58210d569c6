/** A turn of a lane as the database takes it (fleet/schema/turn.ts), and its answer. */
import type { Database } from "../../fleet/database.ts";
import type { PermitsState } from "../lane_state.ts";
import type { Outcome, ReceiptFacts } from "../journal.ts";
import type { LaneJson } from "./lane_json.ts";

/** A run that ended and costs its credit. */
export interface ChargeRow {
  readonly reservation: number;
  /** Unix ms. */
  readonly at: number;
  /** USDC base units. */
  readonly price: bigint;
  readonly cid: string;
  readonly outcome: Outcome;
  /** Null where there is no receipt. */
  readonly facts: RowFacts | null;
}

/** What of a receipt stands in no column. */
export type RowFacts = Omit<ReceiptFacts, "charged" | "cid" | "price">;

/** So many credits, as long as the lane's counter with them is no more than `most`. */
export interface Wanted {
  readonly count: number;
  readonly most: bigint;
}

/** What a node has queued for a lane since its last turn. */
export interface LaneTurn {
  readonly account: string;
  readonly lane: string;
  /** One more than the last. */
  readonly turn: number;
  /** The number of the first that the database may know of; this one, or before it. */
  readonly first: number;
  /** On which version of the lane was judged what is wanted. */
  readonly version: number;
  readonly rows: readonly ChargeRow[];
  readonly releases: number;
  /** In their order: where one is not had in full those behind it are not had. */
  readonly wanted: readonly Wanted[];
  /** What the payer may use and hold, as of a block. */
  readonly ceiling: bigint;
  readonly block: bigint;
  /** The permits that what is wanted needs, where they are others than before. */
  readonly permits: PermitsState | null;
  /** On how many credits, used or held, it was judged that these permits cover all. */
  readonly promised: bigint;
}

export interface TurnAnswer {
  readonly lane: string;
  /**
   * "lost": the session's holds were given back, and nothing of the turn was carried out, nor will
   * be; "past": they were, and its charges were carried out before.
   */
  readonly fate: "done" | "again" | "lost" | "past";
  /** Of what was wanted. */
  readonly granted: number;
  readonly charged: bigint;
  readonly held: bigint;
  /** Of the account: Σ charged − opened. */
  readonly used: bigint;
  readonly accountHeld: bigint;
  /** Where its version is another than was judged on. */
  readonly anew: LaneJson | null;
}

const TURN = "SELECT turn_1($1, $2::text::jsonb) AS answers";
const TURN_OF_ONE = "SELECT turn_of_one_1($1, $2::text::jsonb) AS answers";
/** Counters beyond are as good as without end: they fit in 64 bits with room for sums. */
const ENDLESS = 2n ** 62n;

/** Carries out turns; again as often as it takes to know that it was done. */
export async function takeTurns(
  database: Database,
  session: number,
  turns: readonly LaneTurn[],
  patienceMs: number,
): Promise<TurnAnswer[]> {
  const text = JSON.stringify(turns.map(turnJson));
  const statement = turns.length === 1 ? TURN_OF_ONE : TURN;
  const [row] = await database.ask<{ answers: AnswerJson[] }>(statement, [session, text], {
    patienceMs,
  });
  return row!.answers.map(answerOf);
}

function turnJson(
  {
    account,
    lane,
    turn,
    first,
    version,
    rows,
    releases,
    wanted,
    ceiling,
    block,
    permits,
    promised,
  }: LaneTurn,
) {
  return {
    account,
    lane,
    turn,
    first,
    version,
    releases,
    ceiling: clamped(ceiling),
    block: clamped(block),
    rows: rows.map(rowJson),
    steps: stepsOf(rows),
    wants: wanted.map(({ count, most }) => [count, clamped(most)]),
    ...(permits === null ? {} : { permits, promised: clamped(promised) }),
  };
}

function rowJson({ reservation, at, price, cid, outcome, facts }: ChargeRow) {
  return [reservation, at, String(price), cid, outcome, facts];
}

/** Consecutive charges at one price. */
function stepsOf(rows: readonly ChargeRow[]): [price: string, count: number][] {
  const steps: [string, number][] = [];
  for (const { price } of rows) {
    const last = steps.at(-1);
    if (last?.[0] === String(price)) last[1] += 1;
    else steps.push([String(price), 1]);
  }
  return steps;
}

function clamped(value: bigint): string {
  return String(value < ENDLESS ? value : ENDLESS);
}

type AnswerJson = [
  lane: number,
  fate: TurnAnswer["fate"],
  granted: number,
  chargedBefore: string,
  charged: string,
  held: string,
  used: string,
  accountHeld: string,
  anew: LaneJson | null,
];

function answerOf(
  [lane, fate, granted, , charged, held, used, accountHeld, anew]: AnswerJson,
): TurnAnswer {
  return {
    lane: String(lane),
    fate,
    granted,
    charged: BigInt(charged),
    held: BigInt(held),
    used: BigInt(used),
    accountHeld: BigInt(accountHeld),
    anew,
  };
}

/**
 * A ledger for a fleet, made of lines. Until the last statement no node may begin
 * (fleet/schema/imports.ts); whatever is sent twice is done once.
 */
import { KhachapuriError } from "../../../errors.ts";
import type { Database } from "../../fleet/database.ts";
import { permitsState } from "../lane_state.ts";
import type { LedgerTarget } from "./ends.ts";
import {
  type AnswerLine,
  type ChargeLine,
  factsOf,
  type Header,
  type LaneLine,
  laneLine,
  laneOfLine,
  type Line,
  type PurchaseLine,
} from "./format.ts";
import { alive, PostgresSource } from "./from_postgres.ts";

/** Lines of a statement, */
const LINES_AT_ONCE = 2_000;
/** or so many characters, as answers are long. */
const CHARACTERS_AT_ONCE = 4_000_000;
const SESSION_STEP = 2 ** 32;

/** What a part of the import brings. */
interface Part {
  readonly lanes: unknown[];
  readonly charges: unknown[];
  readonly purchases: unknown[];
  readonly answers: unknown[];
  gone: unknown;
}

const newPart = (): Part => ({ lanes: [], charges: [], purchases: [], answers: [], gone: null });

export class PostgresTarget implements LedgerTarget {
  readonly store = "postgres";
  readonly #word = crypto.randomUUID();
  #part = newPart();
  #number = 0;
  #lines = 0;
  #characters = 0;
  #lanes = 0;
  /** Credits that payers had paid for ahead and that count as used now. */
  raised = 0n;

  constructor(private readonly database: Database) {}

  async begin(): Promise<void> {
    const [row] = await this.#ask<{ state: string }>("SELECT import_begin_1($1) AS state", [
      this.#word,
    ]);
    if (row!.state === "live") throw alive([]);
    if (row!.state === "full") throw full(this.database.name);
  }

  /**
   * A fleet knows no prepaid credits: what the escrow took beyond a lane's counter counts as used
   * before, as where a node hears of such a settlement.
   */
  adapted(line: Line): Line {
    if (line[0] !== "lane") return line;
    const lane = laneOfLine(line);
    const raised = lane.settled - lane.charged;
    if (raised <= 0n) return line;
    this.raised += raised;
    return laneLine({ ...lane, charged: lane.settled, opened: lane.opened + raised, ages: [] });
  }

  async put(line: Line): Promise<void> {
    switch (line[0]) {
      case "lane":
        this.#part.lanes.push(laneRow(line, ++this.#lanes));
        break;
      case "charge":
        this.#part.charges.push(chargeRow(line));
        break;
      case "purchase":
        this.#part.purchases.push(purchaseRow(line));
        break;
      case "answer":
        this.#part.answers.push(line[1]);
        this.#characters += bodyLength(line);
        break;
      case "gone":
        this.#part.gone = { charges: line[1], amount: line[2] };
    }
    this.#lines += 1;
    if (this.#lines < LINES_AT_ONCE && this.#characters < CHARACTERS_AT_ONCE) return;
    await this.flush();
  }

  async flush(): Promise<void> {
    const rows = JSON.stringify(this.#part);
    [this.#part, this.#lines, this.#characters] = [newPart(), 0, 0];
    const [row] = await this.#ask<{ is_ours: boolean }>(
      "SELECT import_rows_1($1, $2, $3::text::jsonb) AS is_ours",
      [this.#word, ++this.#number, rows],
    );
    if (!row!.is_ours) throw overtaken();
  }

  source(): PostgresSource {
    return new PostgresSource(this.database);
  }

  async commit({ next }: Header): Promise<void> {
    const numbers = {
      sessions: Math.ceil(next.reservation / SESSION_STEP),
      purchases: next.purchase,
    };
    const [row] = await this.#ask<{ is_ours: boolean }>(
      "SELECT import_end_1($1, $2::text::jsonb) AS is_ours",
      [this.#word, JSON.stringify(numbers)],
    );
    if (!row!.is_ours) throw overtaken();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #ask<Row>(statement: string, parameters: readonly (string | number)[]): Promise<Row[]> {
    return this.database.ask<Row>(statement, parameters, { isLong: true });
  }
}

function laneRow(line: LaneLine, id: number) {
  const lane = laneOfLine(line);
  const { payer, charged, settled, settledBlock, opened, openedAt, refused, segments, ages } = lane;
  return {
    id,
    payer,
    lane: lane.lane,
    opened: String(opened),
    opened_at: openedAt,
    charged: String(charged),
    settled: String(settled),
    settled_block: String(settledBlock),
    permits: permitsState(lane),
    steps_upto: segments.map(({ upTo }) => String(upTo)),
    steps_price: segments.map(({ price }) => String(price)),
    ages_beyond: ages.map(({ beyond }) => String(beyond)),
    ages_at: ages.map(({ at }) => at),
    refused,
  };
}

function chargeRow([, reservation, at, lane, charged, price, cid, outcome, run]: ChargeLine) {
  return [reservation, at, lane + 1, charged, price, cid, outcome, run && factsOf(run)];
}

function purchaseRow([, { facts, ...row }]: PurchaseLine) {
  return { ...row, facts: facts && factsOf(facts) };
}

function bodyLength([, { body, headers }]: AnswerLine): number {
  return (body?.length ?? 0) + (headers?.length ?? 0);
}

function full(name: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `there is a ledger at ${name} already`, {
    hints: [
      "what is imported takes no other ledger's place: name an empty database, or export that one " +
      "first and have another made",
    ],
  });
}

function overtaken(): KhachapuriError {
  return new KhachapuriError("access_denied", "another import has begun there, and goes on");
}

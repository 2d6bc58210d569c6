/**
 * A fleet's journal as it is read, the oldest charge first: page after page, each a statement of
 * its own, so neither its length nor its reader's pace takes memory here, or keeps the database
 * from cleaning up. No index has its order, which charges would have to pay for: a page is looked
 * for in a span of time that is as long as the last ones have shown to hold about a page.
 */
import type { Address, Hex } from "viem";
import type { CidText } from "../../../cid.ts";
import type { Outcome } from "../../../receipt.ts";
import type { Database, Parameter } from "../../fleet/database.ts";
import type { JournalFilter } from "../journal_reader.ts";

/** One charge: all that a fleet's journal has. */
export interface JournalCharge {
  readonly reservation: number;
  readonly at: Date;
  readonly payer: Address;
  readonly lane: Hex;
  readonly cid: CidText;
  /** USDC base units. */
  readonly price: bigint;
  /** The lane's counter with it. */
  readonly charged: bigint;
  readonly outcome: Outcome;
}

interface Row {
  readonly reservation: string;
  readonly at: string;
  readonly payer: Address;
  readonly lane: Hex;
  readonly cid: CidText;
  readonly price: string;
  readonly charged: string;
  readonly outcome: Outcome;
}

/** Of a page at most, some two megabytes. */
const PAGE_ROWS = 5_000;
/** Of the first page, ms. */
const SPAN_MS = 60_000;
/** How much longer a span is than what the last page took. */
const SPAN_GROWTH = 2;

const ENDS = "SELECT min(at) AS first, max(at) AS last FROM journal WHERE at >= $1";

/** Behind the charge at hand, up to the span's end. */
const PAGE = `
  SELECT j.reservation, j.at, a.payer, l.lane, j.cid, j.price, j.charged, j.outcome
  FROM journal j JOIN lanes l ON l.id = j.lane JOIN accounts a ON a.id = l.account
  WHERE j.at >= $1 AND j.at <= $2 AND (j.at > $1 OR j.reservation > $3)
    AND ($4::text IS NULL OR a.payer = $4) AND ($5::text IS NULL OR l.lane = $5)
    AND ($6::text IS NULL OR j.cid = $6)
  ORDER BY j.at, j.reservation LIMIT $7
`;

/**
 * Charges up to now, oldest first.
 * @param pageRows for tests
 * @throws KhachapuriError `database_unavailable`
 */
export async function* pageJournal(
  database: Database,
  { payer, lane, cid, since }: JournalFilter,
  pageRows = PAGE_ROWS,
): AsyncGenerator<JournalCharge> {
  const ask = <Found>(statement: string, parameters: readonly Parameter[]) =>
    database.ask<Found>(statement, parameters, { isLong: true });
  const theirs = [payer ?? null, lane ?? null, cid ?? null] as const;
  const [ends] = await ask<{ first: string | null; last: string | null }>(ENDS, [
    String(since?.getTime() ?? 0),
  ]);
  const last = Number(ends!.last);
  let [at, reservation, span] = [Number(ends!.first), "-1", SPAN_MS];
  while (ends!.last !== null && at <= last) {
    const upTo = Math.min(last, at + span);
    const place = [String(at), String(upTo), reservation];
    const rows = await ask<Row>(PAGE, [...place, ...theirs, pageRows]);
    for (const row of rows) yield chargeOf(row);
    if (rows.length < pageRows) {
      [at, reservation] = [upTo + 1, "-1"];
      span *= SPAN_GROWTH;
    } else {
      const end = rows.at(-1)!;
      span = Math.max(1, SPAN_GROWTH * (Number(end.at) - at));
      [at, reservation] = [Number(end.at), end.reservation];
    }
  }
}

function chargeOf({ reservation, at, price, charged, ...row }: Row): JournalCharge {
  return {
    ...row,
    reservation: Number(reservation),
    at: new Date(Number(at)),
    price: BigInt(price),
    charged: BigInt(charged),
  };
}

/**
 * Whether a fleet's books are whole: what is kept of payers, lanes and nodes agrees, and the
 * journal with it. One statement looks at all of it, so it is all of one moment; nodes go on.
 */
import { KhachapuriError } from "../../../errors.ts";
import type { Database } from "../../fleet/database.ts";

export interface BooksProof {
  /** Charges that are in the journal. */
  readonly rows: number;
  /** That were before those, whose sums are kept. */
  readonly gone: number;
  readonly payers: number;
  readonly lanes: number;
  /** Credits that runs have used, and that nodes hold for runs. */
  readonly used: bigint;
  readonly held: bigint;
  /** Of payers that have used more than what they have in the escrow by now: they took it out. */
  readonly over: number;
}

/** Of what is wrong, so many things are told. */
const TOLD = 20;

const PROVE = `
  WITH lane_sums AS (
    SELECT account, sum(charged - opened) AS used, sum(held) AS held,
      sum(settled - opened) AS settled
    FROM lanes GROUP BY account
  ), hold_sums AS (
    SELECT lane, sum(credits) AS credits FROM holds GROUP BY lane
  ), rows AS (
    SELECT lane, count(*) AS charges, count(DISTINCT charged) AS counters, min(charged) AS first,
      max(charged) AS last
    FROM journal GROUP BY lane
  ), counts AS (
    SELECT (SELECT coalesce(sum(charges), 0) FROM rows) AS rows,
      (SELECT charges FROM journal_gone)
        + coalesce((SELECT (gone->>'charges')::int8 FROM imports), 0) AS gone,
      coalesce((SELECT sum(charged - opened) FROM lanes), 0) AS used,
      coalesce((SELECT sum(held) FROM accounts), 0) AS held
  ), wrong AS (
    SELECT format('payer %s has used %s credits, and its lanes %s', payer, a.used,
        coalesce(s.used, 0)) AS what
      FROM accounts a LEFT JOIN lane_sums s ON s.account = a.id
      WHERE a.used <> coalesce(s.used, 0)
    UNION ALL SELECT format('%s are held of payer %s, and %s on its lanes', a.held, payer,
        coalesce(s.held, 0))
      FROM accounts a LEFT JOIN lane_sums s ON s.account = a.id
      WHERE a.held <> coalesce(s.held, 0)
    UNION ALL SELECT format('%s are settled of payer %s, and %s on its lanes', a.settled, payer,
        coalesce(s.settled, 0))
      FROM accounts a LEFT JOIN lane_sums s ON s.account = a.id
      WHERE a.settled <> coalesce(s.settled, 0)
    UNION ALL SELECT format('%s are held on lane %s, and %s by nodes', l.held, l.lane,
        coalesce(h.credits, 0))
      FROM lanes l LEFT JOIN hold_sums h ON h.lane = l.id WHERE l.held <> coalesce(h.credits, 0)
    UNION ALL SELECT format('%s are held by nodes on lane %s, which is none', h.credits, h.lane)
      FROM hold_sums h LEFT JOIN lanes l ON l.id = h.lane WHERE l.id IS NULL AND h.credits > 0
    UNION ALL SELECT format('lane %s owes %s, and its steps come to %s', lane, owed,
        owed_of(settled, charged, steps_upto, steps_price))
      FROM lanes WHERE owed <> owed_of(settled, charged, steps_upto, steps_price)
    UNION ALL SELECT format('lane %s has used up to %s, and its steps end at %s', lane, charged,
        steps_upto[cardinality(steps_upto)])
      FROM lanes WHERE cardinality(steps_upto) > 0 AND charged > settled
        AND steps_upto[cardinality(steps_upto)] <> charged
    UNION ALL SELECT format('the journal has %s charges of lane %s, which has used %s',
        r.charges, coalesce(l.lane, r.lane::text), coalesce(l.charged - l.opened, 0))
      FROM rows r LEFT JOIN lanes l ON l.id = r.lane
      WHERE r.charges > coalesce(l.charged - l.opened, 0)
    UNION ALL SELECT format('the journal has two charges of lane %s under one counter', l.lane)
      FROM rows r JOIN lanes l ON l.id = r.lane WHERE r.counters <> r.charges
    UNION ALL SELECT format('the journal has a charge of lane %s up to %s, which has used up to %s',
        l.lane, r.last, l.charged)
      FROM rows r JOIN lanes l ON l.id = r.lane WHERE r.last > l.charged OR r.first < 1
    UNION ALL SELECT format('%s charges are in the journal, %s are gone from it, and lanes have '
        'used %s credits', rows, gone, used)
      FROM counts WHERE rows + gone <> used
  )
  SELECT c.rows::text, c.gone::text, c.used::text, c.held::text,
    (SELECT count(*) FROM accounts)::text AS payers, (SELECT count(*) FROM lanes)::text AS lanes,
    (SELECT count(*) FROM accounts
      WHERE ceiling_block >= 0 AND used + held > ceiling)::text AS over,
    (SELECT count(*) FROM wrong)::int4 AS wrongs,
    (SELECT coalesce(jsonb_agg(what), '[]') FROM (SELECT what FROM wrong LIMIT ${TOLD}) x)
      AS wrong
  FROM counts c
`;

type Row =
  & Readonly<Record<"rows" | "gone" | "used" | "held" | "payers" | "lanes" | "over", string>>
  & { readonly wrongs: number; readonly wrong: readonly string[] };

/**
 * @throws KhachapuriError `file_unusable` that tells the first difference, and as hints more of
 *   them; `database_unavailable`
 */
export async function proveBooks(database: Database): Promise<BooksProof> {
  const [row] = await database.ask<Row>(PROVE, [], { isLong: true });
  const { wrong: [first, ...others], wrongs } = row!;
  if (first !== undefined) throw different(database.name, first, others, wrongs);
  return {
    rows: Number(row!.rows),
    gone: Number(row!.gone),
    payers: Number(row!.payers),
    lanes: Number(row!.lanes),
    used: BigInt(row!.used),
    held: BigInt(row!.held),
    over: Number(row!.over),
  };
}

function different(
  name: string,
  first: string,
  others: readonly string[],
  wrongs: number,
): KhachapuriError {
  const left = wrongs - others.length - 1;
  const message = `the books at ${name} do not agree: ${first}`;
  return new KhachapuriError("file_unusable", message, {
    hints: [
      ...others,
      ...(left > 0 ? [`and ${left} more`] : []),
      "a backup of PostgreSQL from before has them: docs/fleet.md, “Backups”",
    ],
  });
}

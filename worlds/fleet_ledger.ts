/** Ledgers of a fleet's nodes on one database, for tests and benches; nothing here is signed. */
import { VERSION } from "../lib/version.ts";
import type { Database } from "../lib/provider/fleet/database.ts";
import { Sessions } from "../lib/provider/fleet/sessions.ts";
import { proveBooks } from "../lib/provider/ledger/postgres/books_proof.ts";
import {
  PostgresLedger,
  type PostgresLedgerOptions,
} from "../lib/provider/ledger/postgres/postgres_ledger.ts";
import type { Settling } from "../lib/provider/ledger/judge.ts";
import { silentLog } from "../lib/log.ts";
import { NOW_MS, SETTLING } from "./ledger.ts";

export interface LedgerNode extends AsyncDisposable {
  readonly ledger: PostgresLedger;
  readonly sessions: Sessions;
}

/** A node's ledger, whose beats go by themselves. */
export async function openLedgerNode(
  database: Database,
  node = "n1",
  settling: () => Settling = () => SETTLING,
  own: Pick<PostgresLedgerOptions, "idleSweeps" | "lanes"> = {},
): Promise<LedgerNode> {
  const sessions = await Sessions.begin({
    database,
    card: { node, url: `http://${node}.example`, version: VERSION },
    facts: () => ({}),
    onLost: () => ledger.beginAnew(),
  });
  const ledger: PostgresLedger = new PostgresLedger({
    database,
    session: () => sessions.session,
    renew: () => sessions.beat(),
    giveUp: () => sessions.giveUp(),
    settling,
    heldElsewhere: () => 0n,
    log: silentLog,
    now: () => NOW_MS,
    ...own,
  });
  return {
    ledger,
    sessions,
    async [Symbol.asyncDispose]() {
      await ledger.close();
      await sessions.end();
    },
  };
}

/** What must hold of the books at every moment, by one look of the database. */
export async function assertBooks(database: Database): Promise<Books> {
  const [books] = await database.ask<Books & { wrong: string[] }>(CHECK, [], { isLong: true });
  if (books!.wrong.length > 0) throw new Error(`the books are wrong: ${books!.wrong.join("; ")}`);
  // What a person is told of them, too.
  await proveBooks(database);
  return books!;
}

export interface Books {
  readonly used: number;
  readonly held: number;
  readonly charges: number;
}

const CHECK = `
  WITH lane_sums AS (
    SELECT account, sum(charged - opened) AS used, sum(held) AS held,
      sum(settled - opened) AS settled
    FROM lanes GROUP BY account
  ), hold_sums AS (SELECT lane, sum(credits) AS credits FROM holds GROUP BY lane),
  rows AS (SELECT lane, count(*) AS charges, count(DISTINCT charged) AS counters FROM journal
    GROUP BY lane),
  wrong AS (
    SELECT 'used of ' || payer AS what FROM accounts a LEFT JOIN lane_sums s ON s.account = a.id
      WHERE a.used <> coalesce(s.used, 0)
    UNION ALL SELECT 'held of ' || payer FROM accounts a LEFT JOIN lane_sums s ON s.account = a.id
      WHERE a.held <> coalesce(s.held, 0)
    UNION ALL SELECT 'settled of ' || payer FROM accounts a
      LEFT JOIN lane_sums s ON s.account = a.id WHERE a.settled <> coalesce(s.settled, 0)
    UNION ALL SELECT 'holds on ' || l.lane FROM lanes l LEFT JOIN hold_sums h ON h.lane = l.id
      WHERE l.held <> coalesce(h.credits, 0)
    UNION ALL SELECT 'journal of ' || l.lane FROM lanes l LEFT JOIN rows r ON r.lane = l.id
      WHERE coalesce(r.charges, 0) > l.charged - l.opened OR r.counters <> r.charges
    UNION ALL SELECT 'steps of ' || l.lane FROM lanes l
      WHERE cardinality(l.steps_upto) > 0
        AND l.steps_upto[cardinality(l.steps_upto)] <> l.charged AND l.charged > l.settled
    UNION ALL SELECT 'owed of ' || l.lane FROM lanes l
      WHERE l.owed <> owed_of(l.settled, l.charged, l.steps_upto, l.steps_price)
  )
  SELECT (SELECT coalesce(sum(used), 0)::int4 FROM accounts) AS used,
    (SELECT coalesce(sum(held), 0)::int4 FROM accounts) AS held,
    (SELECT count(*)::int4 FROM journal) AS charges,
    coalesce((SELECT array_to_json(array_agg(what)) FROM wrong), '[]') AS wrong
`;

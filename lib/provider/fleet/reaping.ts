/**
 * Giving back what sessions hold that are over. A node that dies may have held something of all who
 * called it of late, so it is done of many accounts with one statement, and of so many at most.
 */
import type { Database } from "./database.ts";

/** Accounts, of each session, that one statement gives back: their calls wait for it. */
const AT_ONCE = 500;

/** Ends sessions whose time is over. */
const EXPIRE = "UPDATE sessions SET reaped = true WHERE NOT reaped AND until < now()";
/**
 * An account is locked before its lanes and holds, and before the next account, as in turns. What a
 * turn changed that was waited for is told by who locks it: an update computes, and checks, with
 * rows as they were before the wait, and only then finds that they are others. What the turn added
 * the next statement finds.
 */
export const GIVE_BACK = `
  WITH due AS MATERIALIZED (
    SELECT DISTINCT h.account, h.session FROM holds h JOIN sessions s ON s.id = h.session
    WHERE s.reaped ORDER BY h.account, h.session LIMIT $1
  ), locked AS MATERIALIZED (
    SELECT id, held FROM accounts
    WHERE id IN (SELECT account FROM due) ORDER BY id FOR NO KEY UPDATE
  ), gone AS (
    DELETE FROM holds h USING due, locked
    WHERE locked.id = due.account AND h.account = due.account AND h.session = due.session
    RETURNING h.account, h.lane, h.credits
  ), locked_lanes AS MATERIALIZED (
    SELECT id, held FROM lanes
    WHERE id IN (SELECT lane FROM gone) ORDER BY id FOR NO KEY UPDATE
  ), of_lanes AS (
    UPDATE lanes SET held = l.held - g.credits
    FROM (SELECT lane, sum(credits) AS credits FROM gone GROUP BY lane) g
      JOIN locked_lanes l ON l.id = g.lane
    WHERE lanes.id = g.lane AND g.credits > 0
  ), of_accounts AS (
    UPDATE accounts SET held = locked.held - g.credits
    FROM (SELECT account, sum(credits) AS credits FROM gone GROUP BY account) g
      JOIN locked ON locked.id = g.account
    WHERE accounts.id = g.account AND g.credits > 0
  )
  SELECT count(*)::int4 AS due FROM due
`;

/**
 * Whoever does it, it is done once.
 * @param times statements at most
 * @throws KhachapuriError `database_unavailable`
 */
export async function reap(database: Database, times = Infinity): Promise<void> {
  await database.ask(EXPIRE);
  for (let left = times; left > 0; left--) {
    const [told] = await database.ask<{ due: number }>(GIVE_BACK, [AT_ONCE]);
    if (told!.due < AT_ONCE) return;
  }
}

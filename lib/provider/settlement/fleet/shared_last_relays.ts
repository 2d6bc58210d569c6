/** When something was last relayed for a payer, by any node of a fleet. */
import type { Address } from "viem";
import type { Database } from "../../fleet/database.ts";
import type { LastRelays } from "../last_relays.ts";

/** What is out of its time is forgotten this often, ms. */
const PURGE_MS = 600_000;

const AT = "SELECT at FROM relayed WHERE payer = $1 AND kind = $2 AND at > now_ms() - $3";
/** What this node noted it may note again: it looked before, and may not have heard the answer. */
const NOTE = `
  INSERT INTO relayed AS r (payer, kind, at, owner) VALUES ($1, $2, now_ms(), $3)
    ON CONFLICT (payer, kind) DO UPDATE SET at = excluded.at, owner = excluded.owner
    WHERE r.at <= excluded.at - $4 OR r.owner = excluded.owner
    RETURNING owner
`;
const TAKE_BACK = "DELETE FROM relayed WHERE payer = $1 AND kind = $2 AND owner = $3";
const PURGE = "DELETE FROM relayed WHERE at <= now_ms() - $1";

/** @param keepMs longer than what is asked about */
export function sharedLastRelays(database: Database, keepMs: number): LastRelays {
  const owner = crypto.randomUUID();
  const nameOf = (payer: Address) => payer.toLowerCase();
  let purgedAt = -Infinity;
  return {
    async at(payer, kind) {
      const [row] = await database.ask<{ at: string }>(AT, [nameOf(payer), kind, keepMs]);
      return row && Number(row.at);
    },
    async note(payer, kind, everyMs) {
      if (performance.now() - purgedAt > PURGE_MS) {
        purgedAt = performance.now();
        await database.ask(PURGE, [keepMs]);
      }
      const noted = await database.ask(NOTE, [nameOf(payer), kind, owner, everyMs]);
      return noted.length > 0;
    },
    takeBack(payer, kind) {
      // Where that fails it stays noted, and the payer waits for nothing.
      database.ask(TAKE_BACK, [nameOf(payer), kind, owner]).catch(() => {});
    },
    close: () => {},
  };
}

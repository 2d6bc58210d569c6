/**
 * When something was last relayed for a payer, on disk: what a payer has once in a while it does
 * not have again because the provider was restarted.
 */
import type { Address } from "viem";
import { openDurable } from "../ledger/durable.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS relays (
    payer TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (payer, kind)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS relays_by_time ON relays (at);
`;

/** What is out of its time is forgotten this often, ms. */
const PURGE_MS = 600_000;

export interface LastRelays {
  /** Unix ms; undefined when nothing of the kind was relayed for the payer for `keepMs`. */
  at(payer: Address, kind: string): Promise<number | undefined>;
  /**
   * It is sent now; on disk when this resolves.
   * @returns false: another node has noted as much less than `everyMs` ago, and sends it
   */
  note(payer: Address, kind: string, everyMs: number): Promise<boolean>;
  /** It was not sent after all. */
  takeBack(payer: Address, kind: string): void;
  close(): void;
}

/** Opens (or creates) the memory at `path`. */
export function openLastRelays(path: string, keepMs: number, now: () => number): LastRelays {
  const durable = openDurable(path, SCHEMA);
  const { database } = durable;
  const select = database.prepare("SELECT at FROM relays WHERE payer = ? AND kind = ? AND at > ?");
  const insert = database.prepare("INSERT OR REPLACE INTO relays VALUES (?, ?, ?)");
  const remove = database.prepare("DELETE FROM relays WHERE payer = ? AND kind = ?");
  const purge = database.prepare("DELETE FROM relays WHERE at <= ?");
  let purgedAt = -Infinity;
  return {
    at(payer, kind) {
      const row = select.get(payer, kind, now() - keepMs) as { at: number } | undefined;
      return Promise.resolve(row?.at);
    },
    async note(payer, kind) {
      if (now() - purgedAt > PURGE_MS) {
        purgedAt = now();
        purge.run(now() - keepMs);
      }
      insert.run(payer, kind, now());
      await durable.sync();
      // Who asked looked before, and nobody else notes anything here.
      return true;
    },
    takeBack: (payer, kind) => void remove.run(payer, kind),
    close: () => durable.close(),
  };
}

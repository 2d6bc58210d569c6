/**
 * To which of the provider's keys the deployments that were paid for here are encrypted. Nobody can
 * tell from a published spec; by this a provider knows what it loses with an identity.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CidText } from "../../cid.ts";
import type { Deployment } from "./deployment.ts";
import { readRecords } from "./records_reader.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sealedTo (cid TEXT PRIMARY KEY, recipient TEXT NOT NULL) STRICT;
`;

export class SealedTo {
  readonly #insert: StatementSync;
  readonly #learn: StatementSync;

  constructor(database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT OR REPLACE INTO sealedTo VALUES (?, ?)");
    this.#learn = database.prepare("INSERT OR IGNORE INTO sealedTo VALUES (?, ?)");
  }

  note({ cid, recipient }: Pick<Deployment, "cid" | "recipient">): void {
    if (recipient !== undefined) this.#insert.run(cid, recipient);
  }

  /** As another node of the fleet noted it; what opens it here is known better. */
  learn(cid: CidText, recipient: string): void {
    this.#learn.run(cid, recipient);
  }
}

/**
 * The deployments by recipient, as `shortRecipient` has it, that are in the records at `path` and
 * not stopped, while a provider may be writing them; none where there are no records yet.
 */
export function readSealedTo(path: string): ReadonlyMap<string, readonly CidText[]> {
  return readRecords(path, "sealedTo", sealedIn) ?? new Map();
}

function sealedIn(database: DatabaseSync): Map<string, CidText[]> {
  const rows = database.prepare(
    "SELECT cid, recipient FROM sealedTo JOIN deployments d USING (cid) " +
      "LEFT JOIN stops s ON s.owner = d.owner AND s.id = d.id WHERE s.id IS NULL ORDER BY firstSeen",
  ).all() as unknown as { cid: CidText; recipient: string }[];
  const groups = Map.groupBy(rows, ({ recipient }) => recipient);
  return new Map([...groups].map(([recipient, those]) => [recipient, those.map(({ cid }) => cid)]));
}

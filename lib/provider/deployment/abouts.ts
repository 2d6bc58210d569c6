/**
 * What owners say in public of the deployments that were paid for here. Nothing else of a spec is
 * public, so only what its owner signed as `about` is kept, and who pays.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { OPENAPI_OWNER_OPERATIONS_MAX, OPENAPI_ROWS_MAX } from "../../limits_of_discovery.ts";
import type { About } from "../../spec/about.ts";
import type { Spec } from "../../spec/schema.ts";
import type { Deployment } from "./deployment.ts";

/** A deployment that its owner described, and has not stopped. */
export interface Described {
  readonly cid: CidText;
  readonly owner: Address;
  readonly access: Spec["access"];
  /** That it was deployed under. */
  readonly terms: Hex;
  readonly about: About;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS abouts (
    cid TEXT PRIMARY KEY, access TEXT NOT NULL, about TEXT NOT NULL
  ) STRICT;
`;

/** Those paid for last come first; of one owner so many. */
const SELECT = `
  SELECT cid, owner, access, terms, about FROM (
    SELECT cid, d.owner, firstSeen, d.rowid AS number,
      ROW_NUMBER() OVER (PARTITION BY d.owner ORDER BY firstSeen DESC, d.rowid DESC) AS nth
    FROM abouts JOIN deployments d USING (cid)
    LEFT JOIN stops s ON s.owner = d.owner AND s.id = d.id WHERE s.id IS NULL
  ) JOIN abouts USING (cid) JOIN agreed USING (cid)
  WHERE nth <= ? ORDER BY firstSeen DESC, number DESC LIMIT ?
`;

export class Abouts {
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  #noted = 0;

  /** @param database has the tables of registrations, agreements and stops */
  constructor(database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT OR IGNORE INTO abouts VALUES (?, ?, ?)");
    this.#select = database.prepare(SELECT);
  }

  /** How many this process has noted. */
  get noted(): number {
    return this.#noted;
  }

  note({ cid, spec: { about, access } }: Deployment): void {
    if (about === undefined) return;
    this.learn(cid, access, JSON.stringify(about));
  }

  /** As another node of the fleet noted it. @param about JSON */
  learn(cid: CidText, access: string, about: string): void {
    this.#insert.run(cid, access, about);
    this.#noted++;
  }

  /** Read as they are gone through, so who stops early reads no more. */
  *listed(): Generator<Described> {
    const rows = this.#select.iterate(OPENAPI_OWNER_OPERATIONS_MAX, OPENAPI_ROWS_MAX);
    for (const { about, ...row } of rows) {
      const rest = row as unknown as Omit<Described, "about">;
      yield { ...rest, about: JSON.parse(about as string) };
    }
  }
}

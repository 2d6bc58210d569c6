/**
 * What the owners of deployments agreed to: the price that their permits pay and the terms that
 * they signed. A provider that changes either knows by this whom it leaves behind.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { deploymentLane, permitFromJson } from "../../permit.ts";
import type { Deployment } from "./deployment.ts";
import { hasTable, readRecords } from "./records_reader.ts";
import type { Tariff } from "./tariff.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS agreed (
    cid TEXT PRIMARY KEY, price TEXT, terms TEXT NOT NULL
  ) STRICT;
`;

/** Of one deployment that was paid for here and is not stopped. */
export interface Agreement {
  cid: CidText;
  /** Which tariff it came under; null where only an earlier release met it. */
  came: number | null;
  /** The most that the owner's permit pays for a credit, base units; null where callers pay. */
  price: bigint | null;
  terms: Hex;
}

export class Agreements {
  readonly #insert: StatementSync;
  readonly #terms: StatementSync;

  constructor(database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT OR IGNORE INTO agreed VALUES (?, ?, ?)");
    this.#terms = database.prepare("SELECT terms FROM agreed WHERE cid = ?");
  }

  note({ cid, spec: { access }, entry: { terms, permit } }: Deployment): void {
    this.#insert.run(cid, access === "payer" ? null : String(permit.price), terms);
  }

  /** As another node of the fleet noted it. */
  learn(cid: CidText, price: string | null, terms: Hex): void {
    this.#insert.run(cid, price, terms);
  }

  /** The terms that a deployment signed; null for one that an early release met. */
  termsOf(cid: CidText): Hex | null {
    return this.#terms.get(cid)?.terms as Hex | undefined ?? null;
  }
}

interface AgreedRow {
  cid: CidText;
  id: Hex;
  owner: Address;
  price: string | null;
  terms: Hex;
  came: number | null;
}

/** What a provider's records hold of deployments, and of what it offered them. */
export interface Agreed {
  readonly agreements: readonly Agreement[];
  /** Oldest first; empty where no release that keeps them has started. */
  readonly tariffs: readonly Tariff[];
}

/**
 * What is agreed with the deployments in the records at `path`, while a provider may be writing
 * them; nothing where there are no records yet. Nothing is changed.
 */
export function readAgreed(path: string): Agreed {
  return {
    agreements: readRecords(path, "agreed", agreementsIn) ?? [],
    tariffs: readRecords(path, "tariffs", tariffsIn) ?? [],
  };
}

/** What the records of an earlier release lack is null. */
export function agreementsIn(database: DatabaseSync): Agreement[] {
  const renewed = new Map(
    database.prepare("SELECT payer, lane, permit FROM permits").all().map((row) => {
      const { price } = permitFromJson(JSON.parse(row.permit as string));
      return [`${row.payer}:${row.lane}`, price];
    }),
  );
  const came = hasTable(database, "came")
    ? "(SELECT tariff FROM came c WHERE c.cid = d.cid)"
    : "NULL";
  const rows = database.prepare(
    `SELECT cid, d.id, d.owner, price, terms, ${came} AS came FROM agreed ` +
      "JOIN deployments d USING (cid) LEFT JOIN stops s ON s.owner = d.owner AND s.id = d.id " +
      "WHERE s.id IS NULL ORDER BY firstSeen",
  ).all() as unknown as AgreedRow[];
  return rows.map(({ cid, id, owner, price, terms, came }) => {
    if (price === null) return { cid, came, price, terms };
    const pays = renewed.get(`${owner}:${deploymentLane(id)}`) ?? BigInt(price);
    return { cid, came, price: pays, terms };
  });
}

/** Of a database that has the table. */
export function tariffsIn(database: DatabaseSync): Tariff[] {
  const rows = database.prepare("SELECT price, terms, since FROM tariffs ORDER BY no").all();
  return rows.map(({ price, terms, since }) => ({
    price: BigInt(price as string),
    terms: JSON.parse(terms as string) as Hex[],
    since: BigInt(since as number),
  }));
}

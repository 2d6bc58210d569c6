/**
 * What the owners of deployments agreed to: the price that their permits pay and the terms that
 * they signed. A provider that changes either knows by this whom it leaves behind.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { deploymentLane, permitFromJson } from "../../permit.ts";
import type { Deployment } from "./deployment.ts";
import { readRecords } from "./records_reader.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS agreed (
    cid TEXT PRIMARY KEY, price TEXT, terms TEXT NOT NULL
  ) STRICT;
`;

/** Of one deployment that was paid for here and is not stopped. */
export interface Agreement {
  cid: CidText;
  /** The most that the owner's permit pays for a credit, base units; null where callers pay. */
  price: bigint | null;
  terms: Hex;
}

export class Agreements {
  readonly #insert: StatementSync;

  constructor(database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT OR IGNORE INTO agreed VALUES (?, ?, ?)");
  }

  note({ cid, spec: { access }, entry: { terms, permit } }: Deployment): void {
    this.#insert.run(cid, access === "payer" ? null : String(permit.price), terms);
  }
}

interface AgreedRow {
  cid: CidText;
  id: Hex;
  owner: Address;
  price: string | null;
  terms: Hex;
}

/**
 * What is agreed with the deployments in the records at `path`, while a provider may be writing
 * them; none where there are no records yet. Nothing is changed.
 */
export function readAgreements(path: string): Agreement[] {
  return readRecords(path, "agreed", agreementsIn) ?? [];
}

function agreementsIn(database: DatabaseSync): Agreement[] {
  const renewed = new Map(
    database.prepare("SELECT payer, lane, permit FROM permits").all().map((row) => {
      const { price } = permitFromJson(JSON.parse(row.permit as string));
      return [`${row.payer}:${row.lane}`, price];
    }),
  );
  const rows = database.prepare(
    "SELECT cid, d.id, d.owner, price, terms FROM agreed JOIN deployments d USING (cid) " +
      "LEFT JOIN stops s ON s.owner = d.owner AND s.id = d.id WHERE s.id IS NULL ORDER BY firstSeen",
  ).all() as unknown as AgreedRow[];
  return rows.map(({ cid, id, owner, price, terms }) => {
    if (price === null) return { cid, price, terms };
    const pays = renewed.get(`${owner}:${deploymentLane(id)}`) ?? BigInt(price);
    return { cid, price: pays, terms };
  });
}

/**
 * What this node has of deployments that its fleet may lack, the oldest first: what was paid for
 * here since the last beat or before an end of the process, and all of it where the provider was no
 * fleet before.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import { deploymentLane } from "../../permit.ts";
import type { Outgoing } from "../fleet/replica.ts";
import type { SharedRow } from "../fleet/shared_log.ts";
import { type OwnerPermits, placeKey } from "./owner_permits.ts";
import type { SharedDeployment } from "./registrations.ts";
import { stopKey, type Stoppable } from "./stops.ts";
import { Unsent } from "../fleet/unsent.ts";

/** Rows that are sent at a time. */
const SENT_AT_ONCE = 500;

const DEPLOYMENTS = `
  SELECT d.rowid AS number, d.cid, d.id, d.owner, d.firstSeen,
    COALESCE(c.tariff, (SELECT MAX(no) FROM tariffs)) AS came,
    a.price, a.terms, s.recipient, b.access, b.about
  FROM deployments d LEFT JOIN came c USING (cid) LEFT JOIN agreed a USING (cid)
    LEFT JOIN sealedTo s USING (cid) LEFT JOIN abouts b USING (cid)
  WHERE d.rowid > ? ORDER BY d.rowid LIMIT ${SENT_AT_ONCE}
`;
const STOPS = `
  SELECT rowid AS number, owner, id, at FROM stops
  WHERE rowid > ? ORDER BY rowid LIMIT ${SENT_AT_ONCE}
`;
const PERMITS = `
  SELECT rowid AS number, payer, lane, permit FROM permits
  WHERE rowid > ? ORDER BY rowid LIMIT ${SENT_AT_ONCE}
`;

interface StopRow extends Stoppable {
  readonly at: number;
}

interface PermitRow {
  readonly payer: Address;
  readonly lane: Hex;
  readonly permit: string;
}

/** A table of this node, and how its rows are told to others. */
interface Queue {
  readonly unsent: Unsent;
  readonly select: StatementSync;
  rowOf(row: Record<string, unknown>): SharedRow;
}

export class SharedOutbox {
  readonly deployments: Unsent;
  readonly stops: Unsent;
  readonly permits: Unsent;
  readonly #queues: readonly Queue[];

  /** @param database has the tables of all of them */
  constructor(database: DatabaseSync, ownerPermits: Pick<OwnerPermits, "isLoose">) {
    const queue = <Row>(table: string, select: string, rowOf: (row: Row) => SharedRow): Queue => ({
      unsent: new Unsent(database, table),
      select: database.prepare(select),
      rowOf: rowOf as unknown as Queue["rowOf"],
    });
    this.#queues = [
      queue("deployments", DEPLOYMENTS, deploymentRow),
      queue("stops", STOPS, stopRow),
      queue("permits", PERMITS, (row: PermitRow) => permitRow(row, ownerPermits.isLoose(row))),
    ];
    [this.deployments, this.stops, this.permits] = this.#queues.map(({ unsent }) => unsent) as [
      Unsent,
      Unsent,
      Unsent,
    ];
  }

  /** The next of it; null: nothing. */
  next(): Outgoing | null {
    for (const { unsent, select, rowOf } of this.#queues) {
      const found = select.all(unsent.upTo);
      const last = found.at(-1)?.number as number | undefined;
      if (last !== undefined) return { rows: found.map(rowOf), sent: () => unsent.sent(last) };
    }
    return null;
  }

  /** Another fleet is joined, in the transaction that is open: nothing is known there yet. */
  startOver(): void {
    for (const { unsent } of this.#queues) unsent.sent(0);
  }
}

function deploymentRow(
  row: Omit<SharedDeployment, "lane"> & { readonly number: number },
): SharedRow {
  const { cid, number: _, ...facts } = row;
  const lane = deploymentLane(facts.id);
  const keeps = placeKey({ payer: facts.owner, lane });
  return { kind: "deployment", key: cid, value: JSON.stringify({ ...facts, lane }), keeps };
}

export function stopRow({ owner, id, at }: StopRow): SharedRow {
  return { kind: "stop", key: stopKey({ owner, id }), value: JSON.stringify({ owner, id, at }) };
}

/** @param loose it may go again */
export function permitRow({ payer, lane, permit }: PermitRow, loose: boolean): SharedRow {
  return { kind: "permit", key: placeKey({ payer, lane }), value: permit, loose };
}

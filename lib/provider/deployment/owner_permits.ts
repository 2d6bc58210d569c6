/**
 * Permits that owners signed after they deployed, one for each lane of a deployment: it pays in
 * place of the spec's, also after a restart. Which permit takes another's place is decided before
 * (money/renewals.ts).
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import { UNPAID_RENEWALS_MAX } from "../../limits.ts";
import { type Permit, permitFromJson, permitToJson } from "../../permit.ts";
import type { Deployment } from "./deployment.ts";
import { durably } from "../../durably.ts";
import type { Registrations } from "./registrations.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS permits (
    payer TEXT NOT NULL, lane TEXT NOT NULL, at INTEGER NOT NULL, permit TEXT NOT NULL,
    PRIMARY KEY (payer, lane)
  ) STRICT;
`;

export class OwnerPermits {
  readonly #known = new Map<string, Permit>();
  /**
   * Those of deployments that nobody had paid for yet, the newest last: a stranger can make any
   * number of such deployments, and a credit is what a place on our disk costs.
   */
  readonly #unpaid = new Map<string, Permit>();
  readonly #put: StatementSync;
  readonly #remove: StatementSync;

  constructor(
    private readonly database: DatabaseSync,
    private readonly registrations: Pick<Registrations, "isDeploymentLane">,
    private readonly now: () => number,
  ) {
    database.exec(SCHEMA);
    for (const row of database.prepare("SELECT permit FROM permits ORDER BY at").all()) {
      this.#keep(permitFromJson(JSON.parse(row.permit as string)));
    }
    this.#put = database.prepare("INSERT OR REPLACE INTO permits VALUES (?, ?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM permits WHERE payer = ? AND lane = ?");
  }

  /** The permit by which a deployment's owner pays; the same object until another is put. */
  of({ entry: { permit } }: Deployment): Permit {
    return this.#known.get(keyOf(permit)) ?? permit;
  }

  /** From now on the owner pays for what its lane is of by this permit; on disk when it returns. */
  put(permit: Permit): void {
    const { payer, lane } = permit;
    const text = JSON.stringify(permitToJson(permit));
    durably(this.database, () => void this.#put.run(payer, lane, this.now(), text));
    this.#keep(permit);
    this.#makeRoom();
  }

  #keep(permit: Permit): void {
    const key = keyOf(permit);
    this.#known.set(key, permit);
    this.#unpaid.delete(key);
    if (!this.#isPaidFor(permit)) this.#unpaid.set(key, permit);
  }

  /** The oldest go, but for those that were paid for meanwhile. */
  #makeRoom(): void {
    for (const [key, permit] of this.#unpaid) {
      if (this.#unpaid.size <= UNPAID_RENEWALS_MAX) return;
      this.#unpaid.delete(key);
      if (this.#isPaidFor(permit)) continue;
      this.#known.delete(key);
      this.#remove.run(permit.payer, permit.lane);
    }
  }

  #isPaidFor({ payer, lane }: Permit): boolean {
    return this.registrations.isDeploymentLane(payer, lane);
  }
}

function keyOf({ payer, lane }: { payer: Address; lane: Hex }): string {
  return `${payer}:${lane}`;
}

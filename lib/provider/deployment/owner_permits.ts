/**
 * Permits that owners signed after they deployed, one for each lane of a deployment: it pays in
 * place of the spec's, also after a restart. Which permit takes another's place is decided before
 * (money/renewals.ts).
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { durably } from "../../durably.ts";
import { UNPAID_RENEWALS_MAX } from "../../limits.ts";
import { DEPLOYMENTS_REMEMBERED_MAX } from "../../limits_of_books.ts";
import { Lru } from "../../lru.ts";
import { type Permit, permitFromJson, permitToJson } from "../../permit.ts";
import { inTransaction } from "../../transaction.ts";
import type { Deployment } from "./deployment.ts";
import type { Registrations } from "./registrations.ts";
import { type PermitPlace, UnpaidPermits } from "./unpaid_permits.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS permits (
    payer TEXT NOT NULL, lane TEXT NOT NULL, at INTEGER NOT NULL, permit TEXT NOT NULL,
    PRIMARY KEY (payer, lane)
  ) STRICT;
`;

export class OwnerPermits {
  /** Of those that were asked for; null: the spec's pays. */
  readonly #known = new Lru<string, Permit | null>(DEPLOYMENTS_REMEMBERED_MAX);
  readonly #find: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #unpaid: UnpaidPermits;

  constructor(
    private readonly database: DatabaseSync,
    private readonly registrations: Pick<Registrations, "isDeploymentLane">,
    private readonly now: () => number,
  ) {
    database.exec(SCHEMA);
    this.#find = database.prepare("SELECT permit FROM permits WHERE payer = ? AND lane = ?");
    this.#put = database.prepare("INSERT OR REPLACE INTO permits VALUES (?, ?, ?, ?)");
    this.#remove = database.prepare("DELETE FROM permits WHERE payer = ? AND lane = ?");
    this.#unpaid = new UnpaidPermits(database);
  }

  /** The permit by which a deployment's owner pays; the same object while it is remembered. */
  of({ entry: { permit } }: Deployment): Permit {
    return this.#kept(permit) ?? permit;
  }

  /** From now on the owner pays for what its lane is of by this permit; on disk when it returns. */
  put(permit: Permit): void {
    const { payer, lane } = permit;
    const text = JSON.stringify(permitToJson(permit));
    const write = () => {
      this.#put.run(payer, lane, this.now(), text);
      if (!this.#isPaidFor(permit)) this.#unpaid.add(permit);
      this.#makeRoom();
    };
    durably(this.database, () => inTransaction(this.database, write));
    this.#known.set(keyOf(permit), permit);
  }

  #kept({ payer, lane }: PermitPlace): Permit | null {
    return this.#known.getOrInsertComputed(keyOf({ payer, lane }), () => {
      const text = this.#find.get(payer, lane)?.permit as string | undefined;
      return text === undefined ? null : permitFromJson(JSON.parse(text));
    });
  }

  /** The oldest go, but for those that were paid for meanwhile. */
  #makeRoom(): void {
    while (this.#unpaid.count > UNPAID_RENEWALS_MAX) {
      const oldest = this.#unpaid.takeOldest();
      if (oldest === null) return;
      if (this.#isPaidFor(oldest)) continue;
      this.#known.delete(keyOf(oldest));
      this.#remove.run(oldest.payer, oldest.lane);
    }
  }

  #isPaidFor({ payer, lane }: PermitPlace): boolean {
    return this.registrations.isDeploymentLane(payer, lane);
  }
}

function keyOf({ payer, lane }: PermitPlace): string {
  return `${payer}:${lane}`;
}

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

/** Where such permits are. */
export interface PermitShelf {
  /** The permit by which a deployment's owner pays; the same object while it is remembered. */
  of(deployment: Deployment): Permit;
  /**
   * From now on the owner pays for what its lane is of by this permit; on disk when it resolves.
   * @returns false: another one was put there meanwhile, and is known now
   */
  put(permit: Permit): boolean | Promise<boolean>;
}

export class OwnerPermits implements PermitShelf {
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

  /**
   * From now on the owner pays for what its lane is of by this permit; on disk when it returns.
   * @returns whether it does: nobody else writes here
   */
  put(permit: Permit): boolean {
    const { payer, lane } = permit;
    const text = permitText(permit);
    const write = () => {
      this.#put.run(payer, lane, this.now(), text);
      if (!this.#isPaidFor(permit)) this.#unpaid.add(permit);
      this.#makeRoom();
    };
    durably(this.database, () => inTransaction(this.database, write));
    this.#known.set(placeKey(permit), permit);
    return true;
  }

  /** The permit that is kept for a lane, as it is written; null: none. */
  textAt({ payer, lane }: PermitPlace): string | null {
    return this.#find.get(payer, lane)?.permit as string | undefined ?? null;
  }

  /** Whether it goes when there are too many such. */
  isLoose(place: PermitPlace): boolean {
    return !this.#isPaidFor(place);
  }

  /**
   * Writes what the fleet keeps for a lane, in the transaction that is open.
   * @param text null: none any more
   * @returns to be called once it is written
   */
  learn(place: PermitPlace, text: string | null): () => void {
    const { payer, lane } = place;
    if (text === null || !this.isLoose(place)) this.#unpaid.remove(place);
    else this.#unpaid.add(place);
    if (text === null) this.#remove.run(payer, lane);
    else this.#put.run(payer, lane, this.now(), text);
    return () => void this.#known.delete(placeKey(place));
  }

  #kept({ payer, lane }: PermitPlace): Permit | null {
    return this.#known.getOrInsertComputed(placeKey({ payer, lane }), () => {
      const text = this.textAt({ payer, lane });
      return text === null ? null : permitFromJson(JSON.parse(text));
    });
  }

  /** The oldest go, but for those that were paid for meanwhile. */
  #makeRoom(): void {
    while (this.#unpaid.count > UNPAID_RENEWALS_MAX) {
      const oldest = this.#unpaid.takeOldest();
      if (oldest === null) return;
      if (this.#isPaidFor(oldest)) continue;
      this.#known.delete(placeKey(oldest));
      this.#remove.run(oldest.payer, oldest.lane);
    }
  }

  #isPaidFor({ payer, lane }: PermitPlace): boolean {
    return this.registrations.isDeploymentLane(payer, lane);
  }
}

/** As it is kept. */
export function permitText(permit: Permit): string {
  return JSON.stringify(permitToJson(permit));
}

/** What tells it from others. */
export function placeKey({ payer, lane }: PermitPlace): string {
  return `${payer}:${lane}`;
}

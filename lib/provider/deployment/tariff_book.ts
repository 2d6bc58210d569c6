/**
 * The tariffs that this provider had, and under which of them each deployment came: what it knows
 * when it says who keeps an earlier price. Both are written here and nowhere else, so nobody can
 * claim a price by what it signs; and they are numbered, so that no clock decides who was first.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { isDeepStrictEqual } from "node:util";
import type { Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { Keep } from "../../keep.ts";
import { durably } from "../../durably.ts";
import { inTransaction } from "../../transaction.ts";
import { DEPLOYMENTS_REMEMBERED_MAX } from "../../limits_of_books.ts";
import { Lru } from "../../lru.ts";
import { agreementsIn, tariffsIn } from "./agreements.ts";
import { type Beginning, beginningOf, type FirstOffer } from "./first_tariffs.ts";
import { MadeUp } from "./made_up.ts";
import {
  areTermsTaken,
  lastRise,
  nextRise,
  priceAt,
  pricedSince,
  type Standing,
  type Tariff,
  type Tariffs,
  termsTakenUntil,
  type TimedPrice,
  withOffered,
} from "./tariff.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS tariffs (
    no INTEGER PRIMARY KEY, price TEXT NOT NULL, terms TEXT NOT NULL, since INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS came (cid TEXT PRIMARY KEY, tariff INTEGER NOT NULL) STRICT;
`;

/** What the provider offers from now on. */
export interface Offer extends FirstOffer {
  readonly keep: Keep;
}

/** What a deployment's owner pays here, and what was or will be. */
export interface DeploymentTariff {
  /** Of one credit now, USDC base units. */
  readonly price: bigint;
  /** When it rises, Unix seconds, and to what; null when nothing that is known raises it. */
  readonly next: { readonly at: bigint; readonly price: bigint } | null;
  /** Whether the terms that it signed count; null where those are not known. */
  readonly areTermsTaken: boolean | null;
  /** Until when, where they are listed no more; Unix seconds. */
  readonly termsUntil: bigint | null;
}

export class TariffBook {
  /** null until it is said what is offered. */
  #offered: { readonly tariffs: Tariffs; readonly keep: Keep } | null = null;
  /** The tariffs that deployments came under, of those that were asked for; null: not yet. */
  #came = new Lru<CidText, number | null>(DEPLOYMENTS_REMEMBERED_MAX);
  readonly #insert: StatementSync;
  readonly #find: StatementSync;
  readonly #learnCame: StatementSync;
  readonly #putTariff: StatementSync;

  constructor(
    private readonly database: DatabaseSync,
    /** Unix ms. */
    private readonly clock: () => number,
  ) {
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT OR IGNORE INTO came VALUES (?, ?)");
    this.#find = database.prepare("SELECT tariff FROM came WHERE cid = ?");
    this.#learnCame = database.prepare("INSERT OR REPLACE INTO came VALUES (?, ?)");
    this.#putTariff = database.prepare("INSERT OR REPLACE INTO tariffs VALUES (?, ?, ?, ?)");
  }

  /**
   * Notes what is offered from now on; on disk when it returns. Called once, before the first call
   * is served, as calls are judged by it.
   */
  begin({ keep, oldPrice, price, terms }: Offer): void {
    const now = BigInt(Math.floor(this.clock() / 1_000));
    const known = tariffsIn(this.database);
    const [first, ...others] = known;
    const offered = { price, terms };
    const beginning = first ? null : beginningOf({ ...offered, oldPrice }, now);
    const tariffs = beginning?.tariffs ?? withOffered([first!, ...others], offered, now);
    durably(this.database, () => this.#write(tariffs, known.length, beginning));
    this.#offered = { tariffs, keep };
    this.#came = new Lru(DEPLOYMENTS_REMEMBERED_MAX);
  }

  /**
   * All at once or not at all. A deployment that only a release without tariffs met came before
   * the first, or else is nobody that an earlier price is kept for.
   */
  #write(tariffs: Tariffs, known: number, beginning: Beginning | null): void {
    const last = tariffs.length - 1;
    const rest = this.database.prepare(
      "INSERT OR IGNORE INTO came SELECT cid, ? FROM deployments WHERE rowid > ?",
    );
    const madeUp = new MadeUp(this.database, "came");
    inTransaction(this.database, () => {
      for (const [index, tariff] of tariffs.entries()) {
        if (index >= known) this.#insertTariff(index, tariff);
      }
      for (const { cid, price } of beginning ? agreementsIn(this.database) : []) {
        this.#insert.run(cid, beginning!.cameUnder(price));
      }
      rest.run(last, madeUp.upTo);
      madeUp.advance(madeUp.last);
    });
  }

  #insertTariff(no: number, { price, terms, since }: Tariff): void {
    this.#putTariff.run(no, String(price), JSON.stringify(terms), Number(since));
  }

  /** A fleet's nodes offer the tariff of this number, of those that were learned. */
  follow(no: number, keep: Keep): void {
    const [first, ...others] = tariffsIn(this.database).slice(0, no + 1);
    this.#offered = { tariffs: [first!, ...others], keep };
  }

  /** Writes a tariff of the fleet, in the transaction that is open. */
  learn(no: number, tariff: Tariff): void {
    this.#insertTariff(no, tariff);
  }

  /** And under which of them a deployment came; @see forget */
  learnCame(cid: CidText, no: number): void {
    this.#learnCame.run(cid, no);
  }

  /** What these came under may be written otherwise by now. */
  forget(cids: readonly CidText[]): void {
    for (const cid of cids) this.#came.delete(cid);
  }

  /**
   * This node joins a fleet that has had these tariffs, in the transaction that is open: what came
   * here under another of its own is nobody there whom an earlier price is kept for.
   */
  adopt(tariffs: Tariffs): void {
    const last = tariffs.length - 1;
    const same = (one: Tariff) => tariffs.findIndex((other) => isDeepStrictEqual(one, other));
    const move = this.database.prepare("UPDATE came SET tariff = ? WHERE tariff = ?");
    for (const [no, tariff] of tariffsIn(this.database).entries()) {
      const there = same(tariff);
      // Apart from the numbers that are still to be changed.
      move.run(-1 - (there < 0 ? last : there), no);
    }
    this.database.exec(`
      UPDATE came SET tariff = -1 - tariff WHERE tariff < 0;
      INSERT OR IGNORE INTO came SELECT cid, ${last} FROM deployments;
      DELETE FROM tariffs;
    `);
    for (const [no, tariff] of tariffs.entries()) this.#insertTariff(no, tariff);
    this.#came = new Lru(DEPLOYMENTS_REMEMBERED_MAX);
  }

  /** A deployment's first call was paid for: it came under what is offered now. */
  note(cid: CidText): void {
    if (this.#offered === null) return;
    this.#insert.run(cid, this.#offered.tariffs.length - 1);
    this.#came.delete(cid);
  }

  /** What one credit costs a deployment's owner now, USDC base units. */
  priceOf(cid: CidText): bigint {
    const { tariffs } = this.#begun();
    if (this.#cameEarlier(cid) === null) return tariffs.at(-1)!.price;
    return priceAt(this.#standing(cid), this.#now());
  }

  /** Whether these terms count for a deployment now. */
  takesTerms(cid: CidText, signed: Hex): boolean {
    const { tariffs } = this.#begun();
    if (this.#cameEarlier(cid) === null) return tariffs.at(-1)!.terms.includes(signed);
    return areTermsTaken(this.#standing(cid), signed, this.#now());
  }

  /** What a deployment pays, until when, and whether its terms count. */
  tariffOf(cid: CidText, signed: Hex | null): DeploymentTariff {
    const [standing, now] = [this.#standing(cid), this.#now()];
    return {
      price: priceAt(standing, now),
      next: nextRise(standing, now),
      areTermsTaken: signed && areTermsTaken(standing, signed, now),
      termsUntil: signed && termsTakenUntil(standing, signed, now),
    };
  }

  /** What a deployment paid before its price rose, and until when; null: it did not rise. */
  before(cid: CidText): TimedPrice | null {
    return lastRise(this.#standing(cid), this.#now());
  }

  /** Since when the present price is asked, Unix seconds; null where that is not known. */
  since(): bigint | null {
    return pricedSince(this.#begun().tariffs);
  }

  /** The tariff that it came under, where that is not what is offered now. */
  #cameEarlier(cid: CidText): number | null {
    const find = () => this.#find.get(cid)?.tariff as number | undefined ?? null;
    const came = this.#came.getOrInsertComputed(cid, find);
    return came === null || came >= this.#begun().tariffs.length - 1 ? null : came;
  }

  #standing(cid: CidText): Standing {
    const begun = this.#begun();
    return { ...begun, came: this.#cameEarlier(cid) ?? begun.tariffs.length - 1 };
  }

  #begun(): { readonly tariffs: Tariffs; readonly keep: Keep } {
    if (this.#offered === null) throw new Error("no tariff has begun");
    return this.#offered;
  }

  /** Unix seconds. A clock that was set back ends no change. */
  #now(): bigint {
    const now = BigInt(Math.floor(this.clock() / 1_000));
    const { since } = this.#begun().tariffs.at(-1)!;
    return now > since ? now : since;
  }
}

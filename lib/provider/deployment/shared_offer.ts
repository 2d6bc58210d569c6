/**
 * What a fleet offers: one offer, the tariffs that led to it by their numbers, and the texts of its
 * terms. A node whose configuration was changed since it last served brings a new one; any other
 * takes what is offered, whatever its own configuration says.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import * as v from "valibot";
import type { Hex } from "viem";
import { type Keep, keepTimeShape, keepTimeToJson } from "../../keep.ts";
import type { Change, SharedRow } from "../fleet/shared_log.ts";
import { tariffsIn } from "./agreements.ts";
import type { CurrentOffer, TermsTexts } from "./current_offer.ts";
import { readRecords } from "./records_reader.ts";
import { type Tariff, type Tariffs, withOffered } from "./tariff.ts";
import type { Offer, TariffBook } from "./tariff_book.ts";

export const OFFER_KINDS = ["terms", "tariff", "offer"] as const;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sharedOffer (
    one INTEGER PRIMARY KEY CHECK (one = 1), offer TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS sharedTerms (hash TEXT PRIMARY KEY, text BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS servedUnder (
    one INTEGER PRIMARY KEY CHECK (one = 1), configured TEXT NOT NULL
  ) STRICT;
`;

/** The fleet's offer, beside its tariff. */
interface SharedOfferNow {
  /** Of the tariff. */
  readonly no: number;
  readonly keep: Keep;
  /** Hashes, the newest text's first. */
  readonly terms: readonly Hex[];
}

const keepShape = v.object({ price: keepTimeShape, terms: keepTimeShape });

export class SharedOffer {
  readonly #putOffer: StatementSync;
  readonly #putTerms: StatementSync;
  readonly #termsOf: StatementSync;

  constructor(
    private readonly database: DatabaseSync,
    private readonly tariffs: TariffBook,
    private readonly current: Pick<CurrentOffer, "replace">,
  ) {
    database.exec(SCHEMA);
    this.#putOffer = database.prepare("INSERT OR REPLACE INTO sharedOffer VALUES (1, ?)");
    this.#putTerms = database.prepare("INSERT OR IGNORE INTO sharedTerms VALUES (?, ?)");
    this.#termsOf = database.prepare("SELECT text FROM sharedTerms WHERE hash = ?");
  }

  /** Whether this node was configured otherwise when it last served in a fleet. */
  wasOther(configured: Offer): boolean {
    const served = servedUnder(this.database);
    return served !== null && served !== configuredText(configured);
  }

  /** It serves under this configuration from now on. */
  noteServed(configured: Offer): void {
    this.database.prepare("INSERT OR REPLACE INTO servedUnder VALUES (1, ?)").run(
      configuredText(configured),
    );
  }

  /** Another fleet is joined, in the transaction that is open. */
  startOver(): void {
    this.database.exec("DELETE FROM sharedOffer; DELETE FROM servedUnder");
  }

  /** Whether the fleet offers what is configured here. */
  isOffered(configured: Offer): boolean {
    const { no, keep, terms } = offerIn(this.#text()!);
    const { price } = tariffsIn(this.database)[no]!;
    return configuredText({ price, keep, terms }) ===
      configuredText({ ...configured, oldPrice: undefined });
  }

  /** What the fleet is to offer, as rows; written only where it offers what is known here. */
  rowsOf(configured: Offer, now: bigint): SharedRow[] {
    const [first, ...others] = tariffsIn(this.database);
    const tariffs = withOffered([first!, ...others], configured, now);
    const was = this.#text();
    const { keep, terms } = configured;
    const offer = offerText({ no: tariffs.length - 1, keep, terms });
    return [...tariffs.map(tariffRow), { kind: "offer", key: "", value: offer, was }];
  }

  /** In the transaction that is open. @returns whether another offer counts from now on */
  learn({ kind, key, value }: Change): boolean {
    if (kind === "terms") this.#putTerms.run(key, Uint8Array.fromBase64(value!));
    else if (kind === "tariff") this.tariffs.learn(Number(key), tariffIn(value!));
    else this.#putOffer.run(value!);
    return kind === "offer";
  }

  /** Offers what the fleet does, from now on. */
  follow(): void {
    const { no, keep, terms } = offerIn(this.#text()!);
    this.tariffs.follow(no, keep);
    const texts = new Map(terms.map((hash) => [hash, this.#textOf(hash)]));
    this.current.replace({ price: tariffsIn(this.database)[no]!.price, keep, terms: texts });
  }

  #textOf(hash: Hex): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#termsOf.get(hash)!.text as Uint8Array);
  }

  #text(): string | null {
    return this.database.prepare("SELECT offer FROM sharedOffer").get()?.offer as string ?? null;
  }
}

/** The texts, each to be written by itself, before what names them. */
export function termsRows(texts: TermsTexts): SharedRow[] {
  return [...texts].map(([hash, text]) => ({ kind: "terms", key: hash, value: text.toBase64() }));
}

/** The tariffs of a fleet, as its log has them; null: it has none yet. */
export function tariffsOf(rows: readonly Pick<Change, "key" | "value">[]): Tariffs | null {
  const [first, ...others] = rows.toSorted((one, other) => Number(one.key) - Number(other.key))
    .map(({ value }) => tariffIn(value!));
  return first ? [first, ...others] : null;
}

/**
 * What a provider with this configuration would offer, by its records at `path`: as a node of a
 * fleet what the fleet does, unless its configuration was changed.
 * @param terms whether those that are configured are known
 */
export function offerAt(path: string, configured: Offer, terms: "known" | "unknown"): Offer {
  const shared = readRecords(path, "servedUnder", (database): Offer | null => {
    const served = servedUnder(database);
    const text = database.prepare("SELECT offer FROM sharedOffer").get()?.offer;
    if (served === null || typeof text !== "string") return null;
    const isSame = terms === "known"
      ? served === configuredText(configured)
      : priceText(JSON.parse(served)) === priceText(JSON.parse(configuredText(configured)));
    if (!isSame) return null;
    const { no, keep, terms: listed } = offerIn(text);
    const { price } = tariffsIn(database)[no]!;
    return { price, keep, terms: terms === "known" ? listed : configured.terms };
  });
  return shared ?? configured;
}

function priceText({ terms: _, ...rest }: Record<string, unknown>): string {
  return JSON.stringify(rest);
}

function servedUnder(database: DatabaseSync): string | null {
  const row = database.prepare("SELECT configured FROM servedUnder").get();
  return row?.configured as string | undefined ?? null;
}

/** A configuration, as far as it is about what is offered. */
function configuredText({ price, terms, keep, oldPrice }: Offer): string {
  const old = oldPrice ? { price: String(oldPrice.price), until: String(oldPrice.until) } : null;
  return JSON.stringify({ price: String(price), terms, keep: keepJson(keep), old });
}

function keepJson({ price, terms }: Keep) {
  return { price: keepTimeToJson(price), terms: keepTimeToJson(terms) };
}

function offerText({ no, keep, terms }: SharedOfferNow): string {
  return JSON.stringify({ no, keep: keepJson(keep), terms });
}

function offerIn(text: string): SharedOfferNow {
  const { no, keep, terms } = JSON.parse(text);
  return { no, keep: v.parse(keepShape, keep), terms };
}

/** A number that another tariff has is nobody's to give again. */
function tariffRow({ price, terms, since }: Tariff, no: number): SharedRow {
  const value = JSON.stringify({ price: String(price), terms, since: String(since) });
  return { kind: "tariff", key: String(no), value, was: null };
}

function tariffIn(text: string): Tariff {
  const { price, terms, since } = JSON.parse(text);
  return { price: BigInt(price), terms, since: BigInt(since) };
}

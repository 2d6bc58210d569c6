/**
 * What a deployment pays, and whether its terms count, by what the provider has asked and listed
 * since the deployment came. All of it follows from the history of tariffs, from the tariff that
 * was in force when the deployment's first call was paid for, and from how long the configuration
 * keeps what a change ends. Nothing here is remembered and nothing is changed.
 */
import type { Hex } from "viem";
import { FOREVER, type Keep, type KeepTime, keptUntil } from "../../keep.ts";

/** What a provider asks and lists. */
export interface Offered {
  /** Of one credit, USDC base units. */
  readonly price: bigint;
  /** Hashes of the listed texts. */
  readonly terms: readonly Hex[];
}

/** What it asked and listed from a time on. */
export interface Tariff extends Offered {
  /** Unix seconds. */
  readonly since: bigint;
}

/** All tariffs, oldest first: the last one is in force. */
export type Tariffs = readonly [Tariff, ...Tariff[]];

/** A deployment among them. */
export interface Standing {
  readonly tariffs: Tariffs;
  /** Which of them was in force when the deployment's first call was paid for. */
  readonly came: number;
  readonly keep: Keep;
}

/** A price that counts until a time. */
export interface TimedPrice {
  readonly price: bigint;
  /** Unix seconds. */
  readonly until: bigint;
}

/**
 * What one credit costs a deployment: what it cost before each change, as long as that change is
 * kept from it, yet no less than when the deployment came, so that a price that was lowered for a
 * while binds nobody afterwards; and never more than what is asked now.
 * @param at Unix seconds
 */
export function priceAt({ tariffs, came, keep }: Standing, at: bigint): bigint {
  const agreed = tariffs[came]!.price;
  let price = agreed;
  for (const { price: asked, since } of tariffs.slice(came + 1)) {
    const kept = price > agreed ? price : agreed;
    const isKept = at < endOf(keep.price, since) && kept < asked;
    price = isKept ? kept : asked;
  }
  return price;
}

/** When a deployment's price rises next, and to what; null when nothing that is known raises it. */
export function nextRise(standing: Standing, at: bigint): { at: bigint; price: bigint } | null {
  return riseAbove(standing, priceAt(standing, at));
}

/**
 * When it is first above `pays`, and what it is then; null: never, as far as is known.
 * @param pays no less than what it pays now
 */
export function riseAbove(
  standing: Standing,
  pays: bigint,
): { at: bigint; price: bigint } | null {
  for (const end of endsOf(standing.tariffs, standing.keep.price)) {
    const price = priceAt(standing, end);
    if (price > pays) return { at: end, price };
  }
  return null;
}

/** What a deployment paid before its price rose to what it is, and until when; null: it did not. */
export function lastRise(standing: Standing, at: bigint): TimedPrice | null {
  const price = priceAt(standing, at);
  for (const end of endsOf(standing.tariffs, standing.keep.price).toReversed()) {
    const before = priceAt(standing, end - 1n);
    if (before < price) return { price: before, until: end };
  }
  return null;
}

/** When what each tariff ended is kept no more: with the tariff itself, or later. */
function endOf(keep: KeepTime, since: bigint): bigint {
  return laterOf(since, keptUntil(keep, since));
}

/** Such times, in order, as no tariff begins before another. */
function endsOf(tariffs: Tariffs, keep: KeepTime): bigint[] {
  return tariffs.map(({ since }) => endOf(keep, since)).filter((end) => end !== FOREVER);
}

/** Whether the terms that a deployment signed count: they are listed, or kept for it. */
export function areTermsTaken({ tariffs, came, keep }: Standing, signed: Hex, at: bigint): boolean {
  let isTaken = tariffs[came]!.terms.includes(signed);
  for (const { terms, since } of tariffs.slice(came + 1)) {
    isTaken = terms.includes(signed) || (isTaken && at < endOf(keep.terms, since));
  }
  return isTaken;
}

/** Until when they count, Unix seconds; null where no end is known, or they count no more. */
export function termsTakenUntil(standing: Standing, signed: Hex, at: bigint): bigint | null {
  if (!areTermsTaken(standing, signed, at)) return null;
  const ends = endsOf(standing.tariffs, standing.keep.terms);
  return ends.find((end) => !areTermsTaken(standing, signed, end)) ?? null;
}

/** The tariffs with what is offered now as the last of them. */
export function withOffered(tariffs: Tariffs, offered: Offered, now: bigint): Tariffs {
  const last = tariffs.at(-1)!;
  if (isSame(last, offered)) return tariffs;
  return [...tariffs, { ...offered, since: laterOf(now, last.since) }];
}

/** When the price that is asked now began; null when it is the first that is known. */
export function pricedSince(tariffs: Tariffs): bigint | null {
  const { price } = tariffs.at(-1)!;
  const before = tariffs.findLastIndex((tariff) => tariff.price !== price);
  return before < 0 ? null : tariffs[before + 1]!.since;
}

function isSame(one: Offered, other: Offered): boolean {
  const isListed = one.terms.length === other.terms.length &&
    one.terms.every((hash) => other.terms.includes(hash));
  return one.price === other.price && isListed;
}

function laterOf(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

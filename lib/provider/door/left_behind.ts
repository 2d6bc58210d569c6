/** Which deployments a changed price or changed terms leave behind, and what to do about it. */
import type { Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { CidText } from "../../cid.ts";
import { type Config, keepOf, type ProviderConfig, resolveFromHome } from "../../config.ts";
import { type Keep, KEEP_FOREVER } from "../../keep.ts";
import { timeText } from "../../time_text.ts";
import { type Agreed, type Agreement, readAgreed } from "../deployment/agreements.ts";
import { beginningOf } from "../deployment/first_tariffs.ts";
import { recordsPath } from "../deployment/records.ts";
import { offerAt } from "../deployment/shared_offer.ts";
import {
  areTermsTaken,
  priceAt,
  riseAbove,
  type Standing,
  type Tariffs,
  termsTakenUntil,
  withOffered,
} from "../deployment/tariff.ts";
import type { Offer } from "../deployment/tariff_book.ts";
import type { Look } from "./findings.ts";

/** Deployments that go on as before, and when the first of them ends; Unix seconds. */
export interface KeptOn {
  readonly cids: readonly CidText[];
  readonly until: bigint | null;
}

export interface LeftBehind {
  /** Deployments that were paid for here and are not stopped. */
  readonly known: number;
  /** What is asked of everybody, USDC base units. */
  readonly price: bigint;
  /** Refused with 402: their permits pay less than their price. */
  readonly byPrice: readonly CidText[];
  /** Of these, those that would be served if `keepPrice` reached further. */
  readonly keepable: readonly CidText[];
  /** Served at an earlier price, and refused when that is kept no more. */
  readonly kept: KeptOn;
  /** Refused: they signed a text that is listed no more. */
  readonly byTerms: readonly CidText[];
  /** Served on such a text, and refused when that is kept no more. */
  readonly keptTerms: KeptOn;
}

/**
 * What would become of the deployments in the records, were `provider` served now.
 * @param terms hashes of the listed texts; null leaves terms out of it
 */
export function readLeftBehind(
  config: Config,
  provider: ProviderConfig,
  terms: readonly Hex[] | null,
  now: () => number,
): LeftBehind {
  const path = recordsPath(resolveFromHome(config, provider.stateDir));
  const agreed = readAgreed(path);
  const listed = terms ?? agreed.agreements.map(({ terms }) => terms);
  const offer = offerAt(path, offerOf(provider, listed), terms === null ? "unknown" : "known");
  return leftBehind(agreed, offer, BigInt(Math.floor(now() / 1_000)));
}

/** What a provider offers, as its configuration has it. */
export function offerOf(provider: ProviderConfig, terms: readonly Hex[]): Offer {
  const { price, oldPrice } = provider;
  return { price, terms, oldPrice, keep: keepOf(provider) };
}

/** @param now Unix seconds */
export function leftBehind(agreed: Agreed, offer: Offer, now: bigint): LeftBehind {
  const { agreements } = agreed;
  const standingOf = standings(agreed, offer, now);
  const fates = agreements.map((agreement) => {
    return fateOf(agreement, standingOf(agreement, offer.keep), now);
  });
  const those = (fate: Fate["what"]) =>
    agreements.filter((_, index) => fates[index]!.what === fate);
  const keptOn = (fate: Fate["what"]): KeptOn => ({
    cids: cidsOf(those(fate)),
    until: earliest(fates.filter(({ what }) => what === fate).map(({ until }) => until)),
  });
  const forEver = { price: KEEP_FOREVER, terms: KEEP_FOREVER };
  const byPrice = those("refused by price");
  const keepable = byPrice.filter((agreement) => {
    return agreement.price! >= priceAt(standingOf(agreement, forEver), now);
  });
  return {
    known: agreements.length,
    price: offer.price,
    byPrice: cidsOf(byPrice),
    keepable: cidsOf(keepable),
    kept: keptOn("at an earlier price"),
    byTerms: cidsOf(those("refused by terms")),
    keptTerms: keptOn("on earlier terms"),
  };
}

/** Each deployment among the tariffs, as a start of now would write them. */
function standings({ tariffs: known }: Agreed, offer: Offer, now: bigint) {
  const [first, ...others] = known;
  const beginning = first ? null : beginningOf(offer, now);
  const { price, terms } = offer;
  const tariffs: Tariffs = beginning?.tariffs ??
    withOffered([first!, ...others], { price, terms }, now);
  return (agreement: Agreement, keep: Keep): Standing => {
    const came = agreement.came ?? beginning?.cameUnder(agreement.price) ?? tariffs.length - 1;
    return { tariffs, came, keep };
  };
}

interface Fate {
  readonly what:
    | "served"
    | "refused by price"
    | "at an earlier price"
    | "refused by terms"
    | "on earlier terms";
  /** When it is refused; null where that is not in sight. */
  readonly until: bigint | null;
}

function fateOf({ price, terms }: Agreement, standing: Standing, now: bigint): Fate {
  if (!areTermsTaken(standing, terms, now)) return { what: "refused by terms", until: null };
  const untilTerms = termsTakenUntil(standing, terms, now);
  const onTerms: Fate | null = untilTerms === null
    ? null
    : { what: "on earlier terms", until: untilTerms };
  // Whoever calls pays what is asked.
  if (price === null) return onTerms ?? { what: "served", until: null };
  if (price < priceAt(standing, now)) return { what: "refused by price", until: null };
  const rise = riseAbove(standing, price);
  if (rise) return { what: "at an earlier price", until: rise.at };
  return onTerms ?? { what: "served", until: null };
}

/** What a person is told of them; null when there are no deployments yet. */
export function tellLeftBehind(
  left: LeftBehind,
): Required<Pick<Look, "detail" | "hints">> | null {
  const { known, byPrice, byTerms } = left;
  if (known === 0) return null;
  const refused = byPrice.length + byTerms.length;
  const detail = `${known} paid for here, ${refused} refused by price or terms`;
  return { detail, hints: [...priceHints(left), ...termsHints(left)] };
}

function priceHints({ price, byPrice, keepable, kept }: LeftBehind): string[] {
  const hints: string[] = [];
  if (byPrice.length > 0) {
    const keep = keepable.length === 0
      ? ""
      : `; ${keepable.length} of them would be served at what they paid before: ` +
        "khachapuri init --keep-price 90d";
    hints.push(
      `${some(byPrice)}: the permits pay less than ${formatUsdc(price)} USDC, callers get 402; ` +
        `the owners renew them: khachapuri allow NAME --reprice${keep}`,
    );
  }
  if (kept.cids.length > 0) {
    hints.push(
      `${some(kept.cids)}: served at an earlier price than ${formatUsdc(price)} USDC, the first ` +
        `until ${timeText(kept.until!)}; then callers get 402 until the owners renew the ` +
        "permits: khachapuri allow NAME --reprice",
    );
  }
  return hints;
}

function termsHints({ byTerms, keptTerms }: LeftBehind): string[] {
  const hints: string[] = [];
  if (byTerms.length > 0) {
    hints.push(
      `${some(byTerms)}: they signed terms that are not listed, and are refused; list that text ` +
        "again under provider.terms, or the owners deploy again",
    );
  }
  if (keptTerms.cids.length > 0) {
    hints.push(
      `${some(keptTerms.cids)}: served on terms that are not listed, the first until ` +
        `${timeText(keptTerms.until!)}; then the owners have to deploy again`,
    );
  }
  return hints;
}

function cidsOf(agreements: readonly Agreement[]): CidText[] {
  return agreements.map(({ cid }) => cid);
}

function earliest(times: readonly (bigint | null)[]): bigint | null {
  return times.reduce((one, other) => {
    return one === null || (other !== null && other < one) ? other : one;
  }, null);
}

/** So many, and the first of them. */
function some(cids: readonly CidText[]): string {
  const [first] = cids;
  return cids.length === 1 ? `1 deployment (${first})` : `${cids.length} deployments (${first}, …)`;
}

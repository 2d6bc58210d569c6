/** Which deployments a changed price or changed terms leave behind, and what to do about it. */
import type { Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { CidText } from "../../cid.ts";
import type { ProviderConfig } from "../../config.ts";
import { timeText } from "../../time_text.ts";
import type { Agreement } from "../deployment/agreements.ts";
import { priceFor } from "../money/seller.ts";
import type { Look } from "./findings.ts";

type Prices = Pick<ProviderConfig, "price" | "oldPrice">;

export interface LeftBehind {
  /** Refused with 402: their permits pay less than is taken. */
  byPrice: CidText[];
  /** Served at the old price as long as that is taken. */
  atOldPrice: CidText[];
  /** Refused: they signed a text that is listed no more. */
  byTerms: CidText[];
}

/** @param now Unix seconds */
export function leftBehind(
  agreements: readonly Agreement[],
  prices: Prices,
  terms: ReadonlySet<Hex>,
  now: bigint,
): LeftBehind {
  const left: LeftBehind = { byPrice: [], atOldPrice: [], byTerms: [] };
  for (const { cid, price, terms: signed } of agreements) {
    if (!terms.has(signed)) left.byTerms.push(cid);
    else if (price !== null && price < prices.price) {
      const isTaken = price >= priceFor(prices, { price }, now);
      (isTaken ? left.atOldPrice : left.byPrice).push(cid);
    }
  }
  return left;
}

/** What a person is told of them; null when there are no deployments yet. */
export function tellLeftBehind(
  { byPrice, atOldPrice, byTerms }: LeftBehind,
  { price, oldPrice }: Prices,
  known: number,
): Required<Pick<Look, "detail" | "hints">> | null {
  if (known === 0) return null;
  const now = formatUsdc(price);
  const hints = [
    ...(byPrice.length === 0 ? [] : [
      `${
        some(byPrice)
      }: the permits pay less than ${now} USDC, callers get 402; the owners renew ` +
      "them by khachapuri permit CID, or you serve them for some time: " +
      "khachapuri init --price … --old-price-until TIME",
    ]),
    ...(atOldPrice.length === 0 || !oldPrice ? [] : [
      `${some(atOldPrice)}: served at ${formatUsdc(oldPrice.price)} USDC until ` +
      `${timeText(oldPrice.until)}, then 402 until their owners renew the permits: ` +
      "khachapuri permit CID",
    ]),
    ...(byTerms.length === 0 ? [] : [
      `${some(byTerms)}: they signed terms that are not listed, and are refused; list that text ` +
      "again under provider.terms, or the owners deploy again",
    ]),
  ];
  const refused = byPrice.length + byTerms.length;
  return { detail: `${known} paid for here, ${refused} refused by price or terms`, hints };
}

/** So many, and the first of them. */
function some(cids: readonly CidText[]): string {
  const [first] = cids;
  return cids.length === 1 ? `1 deployment (${first})` : `${cids.length} deployments (${first}, …)`;
}

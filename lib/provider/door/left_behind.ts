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
  /** The least that a permit of `byPrice` pays, USDC base units; null where there is none. */
  leastPrice: bigint | null;
}

/** @param now Unix seconds */
export function leftBehind(
  agreements: readonly Agreement[],
  prices: Prices,
  terms: ReadonlySet<Hex>,
  now: bigint,
): LeftBehind {
  const left: LeftBehind = { byPrice: [], atOldPrice: [], byTerms: [], leastPrice: null };
  for (const { cid, price, terms: signed } of agreements) {
    if (!terms.has(signed)) left.byTerms.push(cid);
    else if (price !== null && price < prices.price) {
      const isTaken = price >= priceFor(prices, { price }, now);
      (isTaken ? left.atOldPrice : left.byPrice).push(cid);
      const isLeast = left.leastPrice === null || price < left.leastPrice;
      if (!isTaken && isLeast) left.leastPrice = price;
    }
  }
  return left;
}

/** What a person is told of them; null when there are no deployments yet. */
export function tellLeftBehind(
  { byPrice, atOldPrice, byTerms, leastPrice }: LeftBehind,
  { price, oldPrice }: Prices,
  known: number,
): Required<Pick<Look, "detail" | "hints">> | null {
  if (known === 0) return null;
  const hints: string[] = [];
  if (leastPrice !== null) {
    hints.push(
      `${some(byPrice)}: the permits pay less than ${formatUsdc(price)} USDC, callers get 402; ` +
        "the owners renew them (khachapuri permit CID), or you serve them for some time: " +
        `khachapuri init --old-price ${formatUsdc(leastPrice)} --old-price-until TIME`,
    );
  }
  if (oldPrice && atOldPrice.length > 0) {
    hints.push(
      `${some(atOldPrice)}: served at ${formatUsdc(oldPrice.price)} USDC until ` +
        `${timeText(oldPrice.until)}; then callers get 402 until the owners renew the permits: ` +
        "khachapuri permit CID",
    );
  }
  if (byTerms.length > 0) {
    hints.push(
      `${some(byTerms)}: they signed terms that are not listed, and are refused; list that text ` +
        "again under provider.terms, or the owners deploy again",
    );
  }
  const refused = byPrice.length + byTerms.length;
  return { detail: `${known} paid for here, ${refused} refused by price or terms`, hints };
}

/** So many, and the first of them. */
function some(cids: readonly CidText[]): string {
  const [first] = cids;
  return cids.length === 1 ? `1 deployment (${first})` : `${cids.length} deployments (${first}, …)`;
}

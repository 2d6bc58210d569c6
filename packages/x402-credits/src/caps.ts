/** How far a lane may be signed, by what was signed for all others. */
import { formatUsdc } from "../../../lib/chain/usdc.ts";
import { KhachapuriError } from "../../../lib/errors.ts";
import { UINT64_MAX } from "../../../lib/permit.ts";
import type { Book } from "./book.ts";
import { exposure, type Lane } from "./lane.ts";
import type { Caps } from "./settings.ts";

/** The most credits that a permit of the lane may cover. */
export function ceilingOf(caps: Caps, book: Pick<Book, "exposure">, lane: Lane): bigint {
  if (lane.price === 0n) return UINT64_MAX;
  const own = exposure(lane);
  const ofProvider = caps.perProvider - (book.exposure(lane.provider) - own);
  const ofAll = caps.total - (book.exposure() - own);
  const room = ofProvider < ofAll ? ofProvider : ofAll;
  return lane.base + (room > 0n ? room / lane.price : 0n);
}

/** Why a call is not signed for. */
export function overCap(caps: Caps, book: Pick<Book, "exposure">, lane: Lane): KhachapuriError {
  const [ofProvider, ofAll] = [book.exposure(lane.provider), book.exposure()];
  const isTotal = caps.total - ofAll < caps.perProvider - ofProvider;
  const [cap, name] = isTotal ? [caps.total, "total"] : [caps.perProvider, "perProvider"];
  const signed = `${formatUsdc(isTotal ? ofAll : ofProvider)} USDC are signed for`;
  const message = `one call more would go beyond caps.${name} (${formatUsdc(cap)} USDC): ${signed}`;
  return new KhachapuriError("payment_required", message, { hints: ["nothing was signed"] });
}

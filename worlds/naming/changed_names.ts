/** Names whose changes anybody can check. */
import { cidOf, type CidText, formatCid, RAW } from "../../lib/cid.ts";

export const LABELS: readonly string[] = ["blog", "shop", "wiki"];

/** Where a name points after its change of this sequence; each tenth gives it up. */
export function changedCid(label: string, sequence: number): CidText | "" {
  if (sequence % 10 === 0) return "";
  return formatCid(cidOf(RAW, new TextEncoder().encode(`${label} ${sequence}`)));
}

/** That a name of a register will not stay, as its owner has allowed less than it takes. */
import { timeTextOfMs } from "../time_text.ts";

/** @param lapsesAt Unix ms; null: it stays, and there is nothing to tell */
export function lapseText(lapsesAt: number | null): string {
  if (lapsesAt === null) return "";
  const when = timeTextOfMs(lapsesAt);
  return `, anybody's at ${when} unless you allow more: khachapuri allow NAME --credits N`;
}

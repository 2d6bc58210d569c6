/** The rows of a batch that settle a lane. */
import type { Charge } from "../../chain/escrow_provider.ts";
import type { Lane } from "./journal.ts";
import { permitFor, type Terms } from "./lane_permits.ts";

/** A lane's counter up to which one permit and one price hold. */
export interface Row {
  readonly charge: Charge;
  /** Credits that it charges: those between the counter before it and `charge.credits`. */
  readonly fresh: bigint;
}

/**
 * What settles a lane, in rising order, which is the order in which a batch must have it: each
 * credit by the permit that the escrow takes longest.
 * @param terms of the payer, where they are known
 * @param upTo the counter to settle it to, at most what is charged
 */
export function rowsOf(
  lane: Pick<Lane, "permits" | "settled" | "charged" | "segments">,
  terms: Terms | null,
  upTo: bigint = lane.charged,
): Row[] {
  const rows: Row[] = [];
  let from = lane.settled;
  for (const { upTo: last, price } of lane.segments) {
    const end = last < upTo ? last : upTo;
    while (from < end) {
      const permit = permitFor(lane.permits, from + 1n, price, terms);
      if (permit === null) return rows;
      const isPart = permit.credits > from && permit.credits < end;
      const credits = isPart ? permit.credits : end;
      rows.push({ charge: { permit, credits, price }, fresh: credits - from });
      from = credits;
    }
  }
  return rows;
}

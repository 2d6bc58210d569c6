/** The rows of a batch that settle a lane. */
import type { Address } from "viem";
import type { Charge } from "../../chain/escrow_provider.ts";
import type { Epoch } from "../../permit.ts";
import type { Lane } from "./journal.ts";

/** What the escrow says of a lane's payer: its allowance, or a view of it. */
export interface Terms extends Readonly<Epoch> {
  /** Who signs permits; zero when the payer itself does. */
  readonly signer: Address;
}

/** A lane's counter up to which one permit and one price hold. */
export interface Row {
  readonly charge: Charge;
  /** Credits that it charges: those between the counter before it and `charge.credits`. */
  readonly fresh: bigint;
}

/**
 * What settles a lane, in rising order, which is the order in which a batch must have it.
 * @param upTo the counter to settle it to, at most what is charged
 */
export function rowsOf(
  { permit, settled, charged, segments }: Pick<Lane, "permit" | "settled" | "charged" | "segments">,
  _terms: Terms | null,
  upTo: bigint = charged,
): Row[] {
  const rows: Row[] = [];
  if (permit === null) return rows;
  let from = settled;
  for (const { upTo: end, price } of segments) {
    const credits = end < upTo ? end : upTo;
    if (credits <= from) continue;
    rows.push({ charge: { permit, credits, price }, fresh: credits - from });
    from = credits;
  }
  return rows;
}

/**
 * How far a lane is charged, as a provider tells it to who proved to be its payer, and the proof:
 * a used-up permit. Whoever verifies it knows payer, provider and lane already.
 */
import type { Hex } from "viem";

/** What a permit says beyond its payer, provider and lane. */
export interface LaneProof {
  /** Cumulative: all of them are used. */
  readonly credits: bigint;
  /** USDC base units. */
  readonly price: bigint;
  /** Unix seconds. */
  readonly deadline: bigint;
  readonly epoch: number;
  /** 65 bytes r, s, v. */
  readonly signature: Hex;
}

/** A lane's count, and what of its payer's other lanes goes with it. */
export interface LaneCount {
  readonly id: Hex;
  /** Credits that are used or held by runs under way. */
  readonly cumulative: bigint;
  /** Absent where no permit is used up. */
  readonly proof?: LaneProof;
  /**
   * Credits that calls have used or hold and the escrow has not taken, of all lanes of the payer;
   * absent in what earlier releases say.
   */
  readonly unsettled?: bigint;
}

/** What proves that a permit was signed to who knows its payer, provider and lane. */
export function proofOf({ credits, price, deadline, epoch, signature }: LaneProof): LaneProof {
  return { credits, price, deadline, epoch, signature };
}

/** The JSON form, of 402s and of `GET /lane`; integers as decimal strings. */
export function laneCountToJson({ id, cumulative, proof, unsettled }: LaneCount) {
  return {
    lane: id,
    cumulative: String(cumulative),
    ...(proof ? { proof: laneProofToJson(proof) } : {}),
    ...(unsettled === undefined ? {} : { unsettled: String(unsettled) }),
  };
}

function laneProofToJson({ credits, price, deadline, epoch, signature }: LaneProof) {
  return {
    credits: String(credits),
    price: String(price),
    deadline: String(deadline),
    epoch: String(epoch),
    signature,
  };
}

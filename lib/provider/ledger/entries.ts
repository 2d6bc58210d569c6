/** What the provider's journal is made of: everything the book knows follows from these. */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { Permit } from "../../permit.ts";
import type { Outcome } from "../../receipt.ts";

export type { Outcome };

/** A lane's name: the payer that signs for it and the number that the payer gave it. */
export interface LaneId {
  readonly payer: Address;
  readonly lane: Hex;
}

/** What a receipt will say of a charge. */
export interface ReceiptFacts {
  /** The deployment that ran. */
  cid: CidText;
  /** USDC base units. */
  price: bigint;
  /** The lane's counter with this charge. */
  charged: bigint;
  /** How many credits its run took; the others were charged before, without a receipt. */
  credits: number;
  /** sha256 of the request body; null when it had not arrived in full. */
  requestHash: Hex | null;
  responseHash: Hex;
  /** Unix ms. */
  startedAt: number;
  durationMs: number;
}

/** The first thing known of a lane: the escrow had taken so much of it before it came to us. */
export interface OpenEntry extends LaneId {
  kind: "open";
  charged: bigint;
}

/** From now on the lane may be settled with this permit, too. */
export interface PermitEntry extends LaneId {
  kind: "permit";
  permit: Permit;
  /** Who signed it; absent in rows of earlier versions, which kept one permit for each lane. */
  signer?: Address;
}

/** One credit is held for a run. */
export interface ReserveEntry extends LaneId {
  kind: "reserve";
  reservation: number;
  cid: CidText;
  /** USDC base units. */
  price: bigint;
}

/** The run of a reservation has ended and costs its credit. */
export interface ChargeEntry extends LaneId {
  kind: "charge";
  reservation: number;
  outcome: Outcome;
  /** Only where the payer called itself. */
  facts?: ReceiptFacts;
}

/** A reservation ended and costs nothing. */
export interface ReleaseEntry extends LaneId {
  kind: "release";
  reservation: number;
  reason: string;
}

/** The escrow's counter of the lane, as `block` has it. */
export interface SettleEntry extends LaneId {
  kind: "settle";
  settled: bigint;
  block: bigint;
  /** Null when the counter was read instead of heard of. */
  transaction: Hex | null;
}

/** The escrow refused to settle the lane up to `charged`. */
export interface SkipEntry extends LaneId {
  kind: "skip";
  charged: bigint;
  reason: string;
  transaction: Hex;
}

export type Entry =
  | OpenEntry
  | PermitEntry
  | ReserveEntry
  | ChargeEntry
  | ReleaseEntry
  | SettleEntry
  | SkipEntry;

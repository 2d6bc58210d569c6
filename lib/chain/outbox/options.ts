/** What an outbox is given, and what it tells. */
import type { Hex, LocalAccount, TransactionReceipt } from "viem";
import type { KhachapuriError } from "../../errors.ts";
import type { DeliveryClient } from "./delivery.ts";
import type { Fees } from "./fees.ts";
import type { GasClient } from "./gas.ts";
import type { InquiryClient } from "./inquiry.ts";
import type { After, Pause } from "./pace.ts";
import type { GiveUpReason, Policy } from "./plan.ts";
import type { OutboxStore, Standing } from "./store.ts";

/** The questions that an outbox asks a chain. */
export type OutboxClient = DeliveryClient & InquiryClient & GasClient;

/** How a transaction that is launched stands among the others. */
export interface LaunchStanding extends Standing {
  rank: "settlement" | "relay";
}

export interface OutboxOptions {
  client: OutboxClient;
  /** The RPC's origin, for messages; never the URL, which may hold an API key. */
  endpoint: string;
  chainId: number;
  account: LocalAccount;
  store: OutboxStore;
  policy: Policy;
  pause: Pause;
  /**
   * How often a new transaction is offered to the chain before its sender is told that it was not
   * accepted; null: it is out whatever the chain answers, and later broadcasts follow.
   */
  launchAttempts: number | null;
  now(): number;
  /** The timer; a test passes its own. */
  after?: After;
  /**
   * Called for every mined transaction, also those of an earlier process, before its sender is
   * told; called again at the next look when it fails.
   */
  onMined?: (receipt: TransactionReceipt) => Promise<void>;
  /** The words for the sender of a transaction that is given up. */
  wordGiveUp(giveUp: GiveUp): KhachapuriError;
  notice?: (notice: Notice) => void;
}

export interface GiveUp {
  reason: GiveUpReason | "not accepted" | "gave way";
  /** Hash of its newest form. */
  transaction: Hex;
  /** What went wrong when the chain was last asked about it; null: the chain answered. */
  failure: KhachapuriError | null;
}

/** What an operator's log may want to tell. */
export type Notice =
  | { kind: "not accepted"; nonce: number; failure: KhachapuriError }
  | { kind: "raised"; nonce: number; fees: Fees }
  /** A relay's nonce is taken by a transfer of nothing, so that a settlement behind it is mined. */
  | { kind: "gives way"; nonce: number }
  | { kind: "filling"; from: number; below: number }
  | { kind: "given up"; nonce: number; reason: GiveUpReason }
  /** Asking, or doing what the plan wants, failed; the next look tries again. */
  | { kind: "put off"; failure: KhachapuriError };

export interface Launched {
  /** Of its first form; a higher fee makes another. */
  transaction: Hex;
  /**
   * The receipt of whichever form was mined, whether it succeeded or reverted.
   * @throws KhachapuriError as worded by `wordGiveUp`
   */
  mined: Promise<TransactionReceipt>;
}

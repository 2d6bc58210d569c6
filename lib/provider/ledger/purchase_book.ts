/**
 * The book of single payments (x402's `exact`), as calls and whoever settles them use it. SQLite
 * has it in one process, which decides on it at once; PostgreSQL has it for all nodes of a fleet.
 */
import type { Address, Hex } from "viem";
import type { Outcome } from "../../receipt.ts";
import type { RunFacts } from "./ledger.ts";
import type { Order, PaymentId, Purchase } from "./purchase_rows.ts";

/** At once where the book is in this process, later where a database is asked. */
export type Awaitable<T> = T | Promise<T>;

/** Why an order is no purchase. */
export type OrderRefusal =
  /** The payment is for another request, or has been answered. */
  | { reason: "used" }
  | { reason: "answered" }
  /** A run that it pays for goes on. */
  | { reason: "running" }
  | { reason: "void" }
  /** Somebody else asks, who may have read the payment on chain. */
  | { reason: "elsewhere" }
  /** It is not known, and may not begin here: what was known of it is forgotten. */
  | { reason: "forgotten" }
  /** The payer holds less than its payments under way and this one come to; USDC base units. */
  | { reason: "unfunded"; balance: bigint; promised: bigint }
  /** An earlier payment of its payer's was reverted, at our cost; ms until it is served again. */
  | { reason: "reverted"; waitMs: number }
  /** So many payments are under way that no more are taken. */
  | { reason: "full" };

export type Ordered = { purchase: Purchase } | { refusal: OrderRefusal };

/** What a payer was seen to hold. */
export interface Funds {
  /** USDC base units. */
  readonly balance: bigint;
  /** The book's `moment` before that was asked, ms: what was paid since may be in it still. */
  readonly since: number;
}

export interface PurchaseFigures {
  /** Payments that a transaction may be out for. */
  readonly sent: number;
  /** Since the oldest of them was sent, ms; 0: none is. */
  readonly oldestMs: number;
  /** Paid, and not answered. */
  readonly unanswered: number;
}

/** What calls change in it, wherever it is kept. */
export interface CallPurchases {
  /**
   * Takes a payment for one run, or again for the same request when no run it paid for has ended.
   * However many order it at once, one has it. Durable when it resolves.
   * @param funds what the payer held just now; null: it need not be asked, as the money is on its
   *   way or here
   * @param mayBegin whether one that is not known may be taken; else it is "forgotten"
   * @throws KhachapuriError `database_unavailable`
   */
  order(order: Order, funds: Funds | null, mayBegin?: boolean): Promise<Ordered>;
  /**
   * Its run has ended, and is what was bought. Durable when it resolves.
   * @throws KhachapuriError `database_unavailable`; Error where others have given up its run
   */
  answered(id: number, outcome: Outcome, facts: RunFacts | null): Promise<void>;
  /** Its run has ended, or there was none. */
  letGo(id: number): unknown;
}

/** And what they read. */
export interface PurchasesOfCalls extends CallPurchases {
  /** The clock of this process, ms since the epoch. */
  now(): number;
  /** Of the clock by which it is noted when money came, ms since the epoch. */
  moment(): Awaitable<number>;
  /** What is known of a payment; null: it was never used here. */
  find(payment: PaymentId): Awaitable<Purchase | null>;
  /** The one of a number; null when it was never given out, or is forgotten. */
  numbered(id: number): Awaitable<Purchase | null>;
}

/** What whoever settles payments reads and writes: there is one at a time. */
export interface PurchasesOfSettler {
  find(payment: PaymentId): Awaitable<Purchase | null>;
  /** @throws Error for a number that was never given out */
  get(id: number): Awaitable<Purchase>;
  /** Whether its answer was given, or may be on its way: then it is owed, whatever comes. */
  isAnswering(id: number): Awaitable<boolean>;
  /** A transaction is about to go out; durable when it resolves, before anything is sent. */
  sending(id: number): Promise<void>;
  /** Which one went out. */
  sent(id: number, transaction: Hex): Awaitable<void>;
  /**
   * None went out, or it came to nothing and the payment is still good. One that was answered for
   * stays under way: it is owed.
   */
  unsent(id: number): Awaitable<void>;
  /** As `unsent`, unless it `isAnswering`; whether that is so is told. */
  free(id: number): Awaitable<boolean>;
  /** The token will never take it. */
  void(id: number): Awaitable<void>;
  /** The money came, in whichever transaction. Durable when it resolves. */
  paid(id: number, transaction: Hex, block: { number: bigint; hash: Hex }): Promise<void>;
  /** The block that told of the money has gone: it is to be found out again. */
  doubt(id: number): Awaitable<void>;
  /** Payments that a transaction may be out for, oldest first. */
  underWay(): Awaitable<Purchase[]>;
  /** Those that blocks above `block` told of; in the order of their numbers. */
  restingAbove(block: bigint): Awaitable<Purchase[]>;
  /** As of a moment ago. */
  figures(): PurchaseFigures;
}

/** All of it. */
export interface PurchaseBook extends PurchasesOfCalls, PurchasesOfSettler {
  /** What payments of `payer` under way may take out of its wallet, USDC base units; */
  promised(payer: Address, since: number): Awaitable<bigint>;
}

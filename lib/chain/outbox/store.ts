/** Where an outbox keeps what it has signed. */
import type { Address, Hex } from "viem";
import type { Fees } from "./fees.ts";

export interface Call {
  /** Null creates a contract. */
  to: Address | null;
  data: Hex;
}

/** One call to the chain, with the gas that it may take. */
export interface Outgoing extends Call {
  gas: bigint;
}

/** Addresses are the same in whatever case they are written. */
export function isSameCall(one: Call, other: Call): boolean {
  return one.to?.toLowerCase() === other.to?.toLowerCase() && one.data === other.data;
}

/**
 * What a transaction is for, and so what goes before what. A filler is a transfer of nothing to
 * ourselves: it takes a nonce that is free, or that of a relay that gives way.
 */
export type Rank = "settlement" | "relay" | "filler";

/** How a transaction stands among the others. */
export interface Standing {
  rank: Rank;
  /** The most that it may cost, wei, by what it is worth; null: what the policy allows. */
  costMax: bigint | null;
}

/** A transaction as it is broadcast. */
export interface SignedForm extends Outgoing, Fees, Standing {
  raw: Hex;
  nonce: number;
  /** When it was signed, Unix ms; null: by a version that did not note it. */
  signedAt: number | null;
}

/**
 * A transaction that was broadcast may be mined whatever becomes of us, so it is stored first: who
 * forgets it would sign another call under its nonce.
 */
export interface OutboxStore {
  /** What was remembered and not forgotten, in the order in which it was remembered. */
  load(): Promise<SignedForm[]>;
  /**
   * Resolves when the form is as safe as this store makes it; it is broadcast only then.
   * @throws when it could not be stored; then the store does not hold it
   */
  remember(form: SignedForm): Promise<void>;
  /** Drops all forms of a nonce. What is dropped and found again after a crash does no harm. */
  forget(nonce: number): Promise<void>;
}

/** A store that lasts as long as the process. */
export function createMemoryStore(): OutboxStore {
  const forms = new Map<Hex, SignedForm>();
  return {
    load: () => Promise.resolve([...forms.values()]),
    remember(form) {
      forms.set(form.raw, form);
      return Promise.resolve();
    },
    forget(nonce) {
      for (const form of forms.values()) if (form.nonce === nonce) forms.delete(form.raw);
      return Promise.resolve();
    },
  };
}

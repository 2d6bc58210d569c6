/** A purchase, and the row of the book that it is kept in. */
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import type { Outcome } from "../../receipt.ts";
import type { TransferAuthorization } from "../../transfer_authorization.ts";
import type { RunFacts } from "./ledger.ts";

/** What the token knows a payment by. */
export type PaymentId = Pick<TransferAuthorization, "from" | "nonce">;

/**
 * How far the payment is. "open": nothing was sent. "sent": a transaction may be out. "paid": the
 * chain has told that the money came. "void": the token will never take it.
 */
export type PaymentState = "open" | "sent" | "paid" | "void";

/** What a call wants to buy. */
export interface Order {
  readonly authorization: TransferAuthorization;
  readonly signature: Hex;
  readonly cid: CidText;
  /** Digest of the request that is paid for. */
  readonly request: Uint8Array;
  /** By what its caller knows it, under whichever payment; null: by the payment alone. */
  readonly key: Uint8Array | null;
  /** The chain's block when it was ordered: no event of its payment is older. */
  readonly block: bigint;
}

export interface Purchase extends Order {
  readonly id: number;
  readonly state: PaymentState;
  /** Of the transaction that was sent or took it; null: none that is known. */
  readonly transaction: Hex | null;
  /** Where it was mined; null while it is not "paid". */
  readonly paidIn: { readonly number: bigint; readonly hash: Hex } | null;
  /** How its run ended; null: there was none that ended. */
  readonly outcome: Outcome | null;
  /** For the receipt. */
  readonly facts: RunFacts | null;
}

/** Amounts and blocks as text, as SQLite's integers have 64 bits; times in ms since the epoch. */
export const PURCHASES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS purchases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chain INTEGER NOT NULL,
    asset TEXT NOT NULL,
    payer TEXT NOT NULL,
    nonce TEXT NOT NULL,
    payTo TEXT NOT NULL,
    value TEXT NOT NULL,
    validAfter TEXT NOT NULL,
    validBefore TEXT NOT NULL,
    signature TEXT NOT NULL,
    cid TEXT NOT NULL,
    request BLOB NOT NULL,
    key BLOB,
    block TEXT NOT NULL,
    at INTEGER NOT NULL,
    state TEXT NOT NULL,
    txHash TEXT,
    paidBlock TEXT,
    paidHash TEXT,
    outcome TEXT,
    facts TEXT,
    UNIQUE (chain, asset, payer, nonce)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS purchases_under_way ON purchases (state) WHERE state = 'sent';
  CREATE INDEX IF NOT EXISTS purchases_unanswered ON purchases (id)
    WHERE state = 'paid' AND outcome IS NULL;
  CREATE INDEX IF NOT EXISTS purchases_paid ON purchases (payer, at) WHERE state = 'paid';
  CREATE INDEX IF NOT EXISTS purchases_by_block ON purchases (CAST(paidBlock AS INTEGER))
    WHERE state = 'paid';
  CREATE INDEX IF NOT EXISTS purchases_by_key ON purchases (key)
    WHERE key IS NOT NULL AND outcome IS NULL;
`;

/** As SQLite has it. */
export interface PurchaseRow {
  id: number;
  payer: Address;
  nonce: Hex;
  payTo: Address;
  value: string;
  validAfter: string;
  validBefore: string;
  signature: Hex;
  cid: CidText;
  request: Uint8Array;
  key: Uint8Array | null;
  block: string;
  at: number;
  state: PaymentState;
  txHash: Hex | null;
  paidBlock: string | null;
  paidHash: Hex | null;
  outcome: Outcome | null;
  facts: string | null;
}

export function purchaseOf(row: PurchaseRow): Purchase {
  const { id, payer: from, payTo: to, nonce, signature, cid, state, outcome } = row;
  const [value, validAfter, validBefore] = [row.value, row.validAfter, row.validBefore].map(BigInt);
  return {
    id,
    authorization: {
      from,
      to,
      value: value!,
      validAfter: validAfter!,
      validBefore: validBefore!,
      nonce,
    },
    signature,
    cid,
    request: row.request,
    key: row.key,
    block: BigInt(row.block),
    state,
    transaction: row.txHash,
    paidIn: row.paidHash === null ? null : { number: BigInt(row.paidBlock!), hash: row.paidHash },
    outcome,
    facts: row.facts === null ? null : JSON.parse(row.facts),
  };
}

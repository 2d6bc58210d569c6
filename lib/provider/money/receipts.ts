/**
 * Receipts at an address that only the caller knows. Everything they say stands in the journal, so
 * a call pays for one hash of its bodies; the signature is made when somebody asks.
 */
import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { LocalAccount } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { type Receipt, signReceipt, UNKNOWN_HASH } from "../../receipt.ts";
import type { BillTerms } from "./bill.ts";
import type { Ledger } from "../ledger/ledger.ts";

/** Carries the address of a receipt, a path at the provider. */
export const RECEIPT_HEADER = "Khachapuri-Receipt";
export const RECEIPT_PREFIX = "/receipts/";

export interface Receipts {
  /** The path of a reservation's receipt; there is something at it once the run has ended. */
  pathOf(reservation: number): string;
  /** @throws KhachapuriError `not_found`: never given, or not charged (yet) */
  read(path: string): Promise<Receipt>;
}

export interface ReceiptsOptions {
  /** 32 random bytes that make addresses unguessable. */
  secret: Uint8Array;
  ledger: Pick<Ledger, "receipted" | "sync">;
  us: BillTerms;
  /** Signs: a key that the escrow knows as the provider's. */
  operator: LocalAccount;
}

const NUMBER_BYTES = 8;
const PROOF_BYTES = 16;
/** base64url of both, which fill it to the last bit. */
const ID = /^[A-Za-z0-9_-]{32}$/;

export function createReceipts({ secret, ledger, us, operator }: ReceiptsOptions): Receipts {
  function proofOf(number: Uint8Array): Uint8Array {
    return createHmac("sha256", secret).update(number).digest().subarray(0, PROOF_BYTES);
  }

  function reservationOf(id: string): number | null {
    if (!ID.test(id)) return null;
    const bytes = new Uint8Array(Buffer.from(id, "base64url"));
    const number = bytes.subarray(0, NUMBER_BYTES);
    if (!timingSafeEqual(proofOf(number), bytes.subarray(NUMBER_BYTES))) return null;
    return Number(new DataView(number.buffer).getBigUint64(0));
  }

  return {
    pathOf(reservation) {
      const number = new Uint8Array(NUMBER_BYTES);
      new DataView(number.buffer).setBigUint64(0, BigInt(reservation));
      const id = Buffer.concat([number, proofOf(number)]).toString("base64url");
      return `${RECEIPT_PREFIX}${id}`;
    },
    async read(path) {
      const reservation = reservationOf(path.slice(RECEIPT_PREFIX.length));
      const charge = reservation === null ? undefined : ledger.receipted(reservation);
      if (!charge) throw noReceipt(reservation !== null);
      // What we sign we must not forget.
      await ledger.sync();
      const { payer, lane, outcome } = charge;
      const { requestHash, startedAt, durationMs, ...facts } = charge.facts;
      const { chainId, escrow, provider } = us;
      return await signReceipt(operator, {
        ...{ chainId, escrow, payer, provider, operator: operator.address, lane },
        ...{ outcome, ...facts },
        requestHash: requestHash ?? UNKNOWN_HASH,
        startedAt: BigInt(startedAt),
        durationMs: BigInt(durationMs),
      });
    },
  };
}

function noReceipt(isGiven: boolean): KhachapuriError {
  return new KhachapuriError("not_found", "there is no such receipt", {
    hints: isGiven ? ["it is there once the response has ended, if the call was charged"] : [],
  });
}

/** The secret at `path`, made on the first start. */
export async function receiptSecret(path: string): Promise<Uint8Array> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const secret = new Uint8Array(randomBytes(32));
    await Deno.writeFile(path, secret, { createNew: true, mode: 0o600 });
    return secret;
  }
}

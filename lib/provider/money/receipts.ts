/**
 * Receipts at an address that only the caller knows. Everything they say stands in the journal, so
 * a call pays for one hash of its bodies; the signature is made when somebody asks.
 */
import { Buffer } from "node:buffer";
import { randomBytes, timingSafeEqual } from "node:crypto";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import type { LocalAccount } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { fileError, isMissing } from "../../files.ts";
import { createPrivateFile } from "../../home_file.ts";
import { type Receipt, signReceipt, UNKNOWN_HASH } from "../../receipt.ts";
import type { Receipted } from "./charges.ts";
import type { Seller } from "./seller.ts";

export const RECEIPT_PREFIX = "/receipts/";

export interface ReceiptsOptions {
  /** 32 random bytes that make addresses unguessable. */
  secret: Uint8Array;
  receipted: Receipted;
  seller: Seller;
  /** Signs: a key that the escrow knows as the provider's. */
  operator: LocalAccount;
  /**
   * The chain's present block, at which the escrow knows the operator.
   * @throws KhachapuriError `chain_unavailable`
   */
  block(): Promise<bigint>;
}

const NUMBER_BYTES = 8;
const PROOF_BYTES = 16;
const HMAC_BYTES = 32;
/** base64url of both, which fill it to the last bit. */
const ID = /^[A-Za-z0-9_-]{32}$/;

export class Receipts {
  readonly #prove: (number: Uint8Array) => Uint8Array;
  /** An address is made with each call, in bytes that are there: its number, then the proof. */
  readonly #id = new Uint8Array(NUMBER_BYTES + PROOF_BYTES);
  readonly #number = new DataView(this.#id.buffer);

  constructor(private readonly options: ReceiptsOptions) {
    this.#prove = proofsBy(options.secret);
  }

  /** The path of a reservation's receipt; there is something at it once the run has ended. */
  pathOf(reservation: number): string {
    this.#number.setBigInt64(0, BigInt(reservation));
    this.#id.set(this.#prove(this.#id.subarray(0, NUMBER_BYTES)), NUMBER_BYTES);
    return RECEIPT_PREFIX + this.#id.toBase64({ alphabet: "base64url" });
  }

  /** @throws KhachapuriError `not_found`: never given, or not charged (yet); `chain_unavailable` */
  async read(path: string): Promise<Receipt> {
    const reservation = this.#reservationOf(path.slice(RECEIPT_PREFIX.length));
    if (reservation === null) throw noReceipt([]);
    const charge = await this.options.receipted(reservation);
    if (!charge) {
      throw noReceipt(["it is there once the response has ended, if the call was charged"]);
    }
    const { operator, block, seller: { chainId, escrow, provider } } = this.options;
    const { payer, lane, outcome, facts } = charge;
    return await signReceipt(operator, {
      chainId,
      escrow,
      payer,
      provider,
      operator: operator.address,
      block: await block(),
      lane,
      // The wire calls cumulative what is charged here, and deployment the deployment's cid.
      cumulative: facts.charged,
      deployment: facts.cid,
      price: facts.price,
      outcome,
      requestHash: facts.requestHash ?? UNKNOWN_HASH,
      responseHash: facts.responseHash,
      startedAt: BigInt(facts.startedAt),
      durationMs: BigInt(facts.durationMs),
      credits: facts.credits,
    });
  }

  /** The reservation that an address is of; null when we never gave it out. */
  #reservationOf(id: string): number | null {
    if (!ID.test(id)) return null;
    const bytes = new Uint8Array(Buffer.from(id, "base64url"));
    const number = bytes.subarray(0, NUMBER_BYTES);
    if (!timingSafeEqual(this.#prove(number), bytes.subarray(NUMBER_BYTES))) return null;
    return Number(new DataView(number.buffer).getBigInt64(0));
  }
}

/**
 * HMAC-SHA256 with the key taken in once, which node's own takes in anew at each call, for twenty
 * times as long as this takes (`deno task bench payments`, row "caller pays"). What it returns is
 * good until it is called again.
 */
function proofsBy(secret: Uint8Array): (number: Uint8Array) => Uint8Array {
  const keyed = hmac.create(sha256, secret);
  const own = keyed.clone();
  const digest = new Uint8Array(HMAC_BYTES);
  const proof = digest.subarray(0, PROOF_BYTES);
  return (number) => {
    keyed._cloneInto(own).update(number).digestInto(digest);
    return proof;
  };
}

function noReceipt(hints: readonly string[]): KhachapuriError {
  return new KhachapuriError("not_found", "there is no such receipt", { hints });
}

const SECRET_BYTES = 32;

/**
 * The secret at `path`, made on the first start.
 * @throws KhachapuriError `invalid_config` for one that was cut off: with an empty secret anybody
 *   could compute the addresses of all receipts
 */
export async function receiptSecret(path: string): Promise<Uint8Array> {
  const secret = await readSecret(path) ?? await makeSecret(path);
  if (secret.length === SECRET_BYTES) return secret;
  const message = `${path} holds ${secret.length} bytes, a secret has ${SECRET_BYTES}`;
  throw new KhachapuriError("invalid_config", message, {
    hints: [
      "restore it from a backup of the state directory",
      "or remove it: a new one is made, and the addresses of earlier receipts are no more",
    ],
  });
}

async function readSecret(path: string): Promise<Uint8Array | null> {
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw await fileError(error, path, "read");
  }
}

async function makeSecret(path: string): Promise<Uint8Array> {
  const secret = new Uint8Array(randomBytes(SECRET_BYTES));
  await createPrivateFile(path, secret);
  return secret;
}

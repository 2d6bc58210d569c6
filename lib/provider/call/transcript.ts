/** What of an answer outlives it: its hash for the receipt, and itself when it is to be kept. */
import { Buffer } from "node:buffer";
import { createHash, type Hash } from "node:crypto";
import type { Hex } from "viem";
import { IDEMPOTENCY_ANSWER_BYTES_MAX } from "../../limits.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Claim, LostAnswer, StoredAnswer } from "./idempotency.ts";

export interface TranscriptOptions {
  status: number;
  headers: HeaderField[];
  /** Whether there will be a receipt that names the body's hash. */
  isHashed: boolean;
  /** The caller gets the head only, as with HEAD: the body counts for nothing. */
  isBodiless: boolean;
  /** Where the answer is to be kept. */
  claim: Claim | null;
}

export class Transcript {
  readonly #digest: Hash | null;
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(private readonly options: TranscriptOptions) {
    this.#digest = options.isHashed ? createHash("sha256") : null;
  }

  add(chunk: Uint8Array): void {
    const { isBodiless, claim } = this.options;
    if (isBodiless) return;
    this.#digest?.update(chunk);
    if (!claim) return;
    this.#bytes += chunk.length;
    if (this.isTooLarge()) this.#chunks = [];
    else this.#chunks.push(new Uint8Array(chunk));
  }

  /** Whether the answer has grown too large to be kept. */
  isTooLarge(): boolean {
    return this.#bytes > IDEMPOTENCY_ANSWER_BYTES_MAX;
  }

  /** sha256 of the body; null when nobody will ask for it. */
  responseHash(): Hex | null {
    return this.#digest ? `0x${this.#digest.digest("hex")}` : null;
  }

  /**
   * Keeps the answer, or why it cannot be given again, under the claim's key.
   * @param isWhole whether all of it went out
   * @param credits how many its run took
   * @throws KhachapuriError as `Claim.store`
   */
  async keep(reservation: number, isWhole: boolean, credits: number): Promise<void> {
    await this.options.claim?.store(this.#kept(isWhole, credits), reservation);
  }

  #kept(isWhole: boolean, credits: number): StoredAnswer | LostAnswer {
    const { status, headers } = this.options;
    if (credits > 1) return { why: `it took ${credits} credits` };
    if (!isWhole) return { why: "it was cut short" };
    if (this.isTooLarge()) {
      return { why: `it was larger than ${IDEMPOTENCY_ANSWER_BYTES_MAX} bytes` };
    }
    return { status, headers, body: new Uint8Array(Buffer.concat(this.#chunks)) };
  }
}

/**
 * What a provider says of a lane's count, and how far one call goes along with it. A permit of ours
 * that the escrow would take is proof: what it allows could be charged anyhow, so going on from
 * there adds the next credit and nothing else. What nothing proves is the provider's word, and its
 * word can make us sign for CORRECTION_AMOUNT_MAX, in one call and in one day.
 */
import type { Address, Hex } from "viem";
import type { Allowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import type { LaneCount, LaneProof } from "../lane_count.ts";
import { CORRECTION_AMOUNT_MAX } from "../limits.ts";
import {
  type Epoch,
  isEpochAlive,
  isPermitAlive,
  type Permit,
  recoverPermitSigner,
} from "../permit.ts";
import type { LaneKey, PermitBook } from "./permit_book.ts";

export interface LaneClaimsOptions {
  key: LaneKey;
  /** Who signs for the payer: the permits of nobody else prove anything. */
  signer: Address;
  /** Of one credit, USDC base units. */
  price: bigint;
  book: Pick<PermitBook, "noteSigned" | "noteBelieved">;
  /** Unix ms. */
  now: () => number;
}

const DAY_MS = 86_400_000;

/** The claims that one call meets. */
export class LaneClaims {
  /** Up to this count no word of the provider's is needed. */
  #sure = 0n;
  /** The most that this call has signed for, */
  #signed = 0n;
  /** and its permits: that we sign once more does not prove that the last one was used. */
  readonly #own = new Set<Hex>();
  /** USDC base units. */
  #believed = 0n;

  constructor(private readonly options: LaneClaimsOptions) {}

  /**
   * Notes a permit before it is sent.
   * @param from the count that it goes on from
   */
  async noteSigned({ credits, signature }: Permit, from: bigint): Promise<void> {
    const { book, key } = this.options;
    this.#own.add(signature);
    const before = await book.noteSigned(key, credits);
    // Signed by other calls from this home, which accounted for it.
    if (before > this.#signed) this.#raise(before);
    this.#raise(from);
    if (credits > this.#signed) this.#signed = credits;
  }

  /**
   * The count to go on from.
   * @throws KhachapuriError `payment_required` for more than we would sign for, and for a proof
   *   that is none
   */
  async accept(claim: LaneCount, allowance: Allowance): Promise<bigint> {
    this.#raise(await this.#proved(claim, allowance));
    const beyond = claim.cumulative - this.#sure;
    if (beyond > 0n) await this.#believe(claim, beyond * this.options.price);
    return claim.cumulative;
  }

  async #proved(claim: LaneCount, allowance: Allowance): Promise<bigint> {
    const credits = await provedCredits(claim, this.options, allowance);
    return claim.proof && !this.#own.has(claim.proof.signature) ? credits : 0n;
  }

  async #believe(claim: LaneCount, amount: bigint): Promise<void> {
    const { book, key, now } = this.options;
    const isTooMuch = this.#believed + amount > CORRECTION_AMOUNT_MAX ||
      !await book.noteBelieved(key, amount, Math.floor(now() / DAY_MS));
    if (isTooMuch) throw unbelievable(claim, this.#sure, amount);
    this.#believed += amount;
  }

  #raise(count: bigint): void {
    if (count > this.#sure) this.#sure = count;
  }
}

/**
 * How many credits of the lane its payer's own permit shows to be chargeable anyhow: one that the
 * escrow would take now, at the next credit's price. 0 where none is shown, or not any more.
 * @param held the payer's epoch at the provider
 * @throws KhachapuriError `payment_required` for what is no permit of the lane by `signer`
 */
export async function provedCredits(
  { proof }: Pick<LaneCount, "proof">,
  { key, signer, price, now }: Omit<LaneClaimsOptions, "book">,
  held: Epoch,
): Promise<bigint> {
  if (!proof) return 0n;
  await assertSigned(proof, key, signer);
  const nowSeconds = BigInt(Math.floor(now() / 1000));
  const isChargeable = proof.price >= price && isPermitAlive(proof, nowSeconds, 0n) &&
    isEpochAlive(proof.epoch, held, nowSeconds, 0n);
  return isChargeable ? proof.credits : 0n;
}

/** @throws KhachapuriError `payment_required` for what is no permit of the lane by `signer` */
async function assertSigned(proof: LaneProof, key: LaneKey, signer: Address): Promise<void> {
  const { payer, provider, lane } = key;
  const signed = await recoverPermitSigner(key, { ...proof, payer, provider, lane });
  if (signed === signer) return;
  const fault = signed === null
    ? "its signature is none that the escrow takes"
    : `it is no permit for lane ${lane} at ${provider} that ${signer} signed`;
  throw new KhachapuriError(
    "payment_required",
    `the provider's proof of what was used is false: ${fault}`,
    { hints: ["nothing was signed for it; tell the provider, or use another"] },
  );
}

function unbelievable(
  { cumulative, proof }: LaneCount,
  sure: bigint,
  amount: bigint,
): KhachapuriError {
  const worth = `${formatUsdc(amount)} USDC`;
  const most = `${formatUsdc(CORRECTION_AMOUNT_MAX)} USDC`;
  return new KhachapuriError(
    "payment_required",
    `the provider says that ${cumulative} credits were used on this lane, and ${sure} are known ` +
      `or proved: ${cumulative - sure} more (${worth}) are its word alone`,
    {
      hints: [
        `without proof a provider is believed up to ${most} in a call, and in a day`,
        "take another lane with --lane-label TEXT",
        "or wait until they are settled",
        ...(proof ? ["what it shows as proof covers less, or could not be charged any more"] : []),
      ],
      data: { claimed: String(cumulative), known: String(sure) },
    },
  );
}

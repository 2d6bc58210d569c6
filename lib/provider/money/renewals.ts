/**
 * An owner's new permit for a deployment whose old one does not pay any more: the provider's price
 * rose, or the owner took its permits back. The permit is its own proof, as its lane names the
 * deployment, its domain chain and escrow, and whoever signed it is who pays.
 */
import { isAddressEqual } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { RENEWALS_PER_SECOND_MAX, RENEWALS_REMEMBERED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Permit } from "../../permit.ts";
import { TokenBucket } from "../../token_bucket.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { PermitShelf } from "../deployment/owner_permits.ts";
import type { Credits } from "./credits.ts";
import type { OwnerPrices } from "./owner_prices.ts";

/** What becomes of a permit that is offered in the place of the one that is held. */
export type Renewal =
  | "renewed"
  /** The one that is held covers as much: a repeat, or an old one that somebody sent again. */
  | "unchanged"
  /** It is neither more nor less. */
  | "narrower";

/**
 * A later epoch is the payer's later word. Within an epoch a permit must cover all that the other
 * covers, so that nobody can lower what the owner signed by sending an older permit again.
 * @param offered one that the escrow would take
 * @param isHeldGood whether it would take the other one, too
 */
export function renewalOf(held: Permit, offered: Permit, isHeldGood: boolean): Renewal {
  if (offered.epoch < held.epoch) return "unchanged";
  if (!isHeldGood || offered.epoch > held.epoch) return "renewed";
  if (covers(held, offered)) return "unchanged";
  return covers(offered, held) ? "renewed" : "narrower";
}

/** Whether `one` is good for all that `other` is good for. */
function covers(one: Permit, other: Permit): boolean {
  return one.price >= other.price && one.credits >= other.credits &&
    one.deadline >= other.deadline;
}

export class Renewals {
  /** By the lane and its payer. */
  readonly #rates = new Lru<string, TokenBucket>(RENEWALS_REMEMBERED_MAX);

  constructor(
    private readonly credits: Pick<Credits, "permitFault">,
    private readonly permits: PermitShelf,
    private readonly ownerPrices: Pick<OwnerPrices, "priceOf">,
    private readonly now: () => number,
  ) {}

  /**
   * Takes a permit for a deployment: its owner's calls are paid by it from the next one on. It is
   * on disk when this resolves.
   * @param from the caller's address
   * @returns whether it took the place of another
   * @throws KhachapuriError `invalid_input` when it is another deployment's or covers less in
   * some way; `payment_required` with the reason when it would not pay; `rate_limited`;
   * `chain_unavailable`
   */
  async take(deployment: Deployment, offered: Permit, from?: string): Promise<boolean> {
    assertOf(deployment, offered);
    const fault = await this.credits.permitFault(offered, from);
    if (fault) throw fault;
    const held = this.permits.of(deployment);
    // What is offered has to pay what everybody is asked; what is held, what it is good for now.
    const price = this.ownerPrices.priceOf(deployment.cid);
    const isHeldGood = await this.credits.permitFault(held, from, price) === null;
    // Another one came while the chain was asked.
    if (this.permits.of(deployment) !== held) return await this.take(deployment, offered, from);
    const renewal = renewalOf(held, offered, isHeldGood);
    if (renewal === "narrower") throw narrower();
    if (renewal === "unchanged") return false;
    const rate = this.#rateOf(offered);
    if (!rate.take()) throw tooMany(rate.waitSeconds());
    if (await this.permits.put(offered)) return true;
    return await this.take(deployment, offered, from);
  }

  #rateOf({ payer, lane }: Permit): TokenBucket {
    const key = `${payer}:${lane}`;
    const known = this.#rates.get(key);
    if (known) return known;
    const rate = new TokenBucket(RENEWALS_PER_SECOND_MAX, RENEWALS_PER_SECOND_MAX, this.now);
    this.#rates.set(key, rate);
    return rate;
  }
}

/** @throws KhachapuriError `invalid_input`; who owns a deployment is not told */
function assertOf({ entry: { permit } }: Deployment, offered: Permit): void {
  const isOwners = isAddressEqual(offered.payer, permit.payer) &&
    isAddressEqual(offered.provider, permit.provider) && offered.lane === permit.lane;
  if (isOwners) return;
  throw new KhachapuriError("invalid_input", "this permit is not of this deployment", {
    hints: ["it names the deployment's owner, its lane and this provider"],
  });
}

function tooMany(waitSeconds: number): KhachapuriError {
  return new KhachapuriError("rate_limited", "this deployment's permit was renewed just now", {
    retryAfterSeconds: Math.ceil(waitSeconds),
  });
}

function narrower(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the permit in force covers more in some way", {
    hints: ["sign one with at least its price, credits and deadline, or bump the epoch"],
  });
}

/**
 * How often strangers can make us ask the gateways, and open what these have: anybody can name any
 * cid. Each network has its own limit and all share one; who has asked for little has a share that
 * others cannot use up, and so has whoever paid here before.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  FRESH_LOOKUPS_BURST_MAX,
  FRESH_LOOKUPS_MAX,
  FRESH_LOOKUPS_PER_SECOND_MAX,
  HERE_LOOKUPS_BURST_MAX,
  HERE_LOOKUPS_PER_SECOND_MAX,
  LOOKUP_PROOFS_BURST_MAX,
  LOOKUP_PROOFS_PER_SECOND_MAX,
  LOOKUPS_COUNTED_MAX,
  OWN_LOOKUPS_BURST_MAX,
  OWN_LOOKUPS_PER_SECOND_MAX,
  PAYER_LOOKUPS_BURST_MAX,
  PAYER_LOOKUPS_PER_SECOND_MAX,
  PREFIX_LOOKUPS_BURST_MAX,
  PREFIX_LOOKUPS_PER_SECOND_MAX,
  STRANGER_LOOKUPS_BURST_MAX,
  STRANGER_LOOKUPS_PER_SECOND_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { addressPrefix } from "../http/address_prefix.ts";

/**
 * The payer that the request's permit proves, if it had calls here.
 * @param mayRecover asked before a signature is looked at that was not seen before
 */
export type ProvenPayer = (mayRecover: () => boolean) => Promise<Address | null>;

/** To be called at most once. */
export type GiveBack = () => void;

export class LookupLimits {
  readonly #strangers: TokenBucket;
  readonly #fresh: TokenBucket;
  readonly #payers: TokenBucket;
  readonly #here: TokenBucket;
  readonly #proofs: TokenBucket;
  readonly #networks = new Lru<string, TokenBucket>(LOOKUPS_COUNTED_MAX);
  readonly #own = new Lru<Address, TokenBucket>(LOOKUPS_COUNTED_MAX);

  /** @param now the clock, ms */
  constructor(private readonly now: () => number) {
    this.#strangers = this.#bucket(STRANGER_LOOKUPS_BURST_MAX, STRANGER_LOOKUPS_PER_SECOND_MAX);
    this.#fresh = this.#bucket(FRESH_LOOKUPS_BURST_MAX, FRESH_LOOKUPS_PER_SECOND_MAX);
    this.#payers = this.#bucket(PAYER_LOOKUPS_BURST_MAX, PAYER_LOOKUPS_PER_SECOND_MAX);
    this.#here = this.#bucket(HERE_LOOKUPS_BURST_MAX, HERE_LOOKUPS_PER_SECOND_MAX);
    this.#proofs = this.#bucket(LOOKUP_PROOFS_BURST_MAX, LOOKUP_PROOFS_PER_SECOND_MAX);
  }

  /**
   * Admits one lookup.
   * @param from the caller's address
   * @param isHere whether it is kept on this machine: it costs nobody but us, as long as these last
   * @returns what gives it back, once it has proved worth its while
   * @throws KhachapuriError `rate_limited` for the network's own limit, `overloaded` for all others
   */
  async admit(from: string, payer: ProvenPayer, isHere = false): Promise<GiveBack> {
    const taken = this.take(from, isHere);
    if (!(taken instanceof KhachapuriError)) return taken;
    const payers = await this.#takePayers(payer);
    if (!payers) throw taken;
    return payers;
  }

  /** Admits one of a stranger; else why it is refused. */
  take(from: string, isHere = false): GiveBack | KhachapuriError {
    if (isHere && this.#here.take()) return giveBack(this.#here);
    const prefix = addressPrefix(from);
    const network = this.#network(prefix ?? from, prefix !== null);
    const isFresh = network.isFullBut(FRESH_LOOKUPS_MAX);
    // The narrow limit first: who runs into its own takes nothing of what all share.
    if (!network.take()) return refused("rate_limited", network);
    if (this.#strangers.take()) return giveBack(network, this.#strangers);
    if (isFresh && this.#fresh.take()) return giveBack(network, this.#fresh);
    network.giveBack();
    return refused("overloaded", this.#strangers);
  }

  async #takePayers(proven: ProvenPayer): Promise<GiveBack | null> {
    const payer = await proven(() => this.#proofs.take());
    if (payer === null) return null;
    const own = this.#own.get(payer) ??
      this.#bucket(OWN_LOOKUPS_BURST_MAX, OWN_LOOKUPS_PER_SECOND_MAX);
    this.#own.set(payer, own);
    return own.take() && this.#payers.take() ? giveBack(own, this.#payers) : null;
  }

  /** Behind a private address there may be a proxy that is not trusted, with all of its callers. */
  #network(name: string, isPublic: boolean): TokenBucket {
    const known = this.#networks.get(name);
    if (known) return known;
    const network = isPublic
      ? this.#bucket(PREFIX_LOOKUPS_BURST_MAX, PREFIX_LOOKUPS_PER_SECOND_MAX)
      : this.#bucket(STRANGER_LOOKUPS_BURST_MAX, STRANGER_LOOKUPS_PER_SECOND_MAX);
    this.#networks.set(name, network);
    return network;
  }

  #bucket(size: number, perSecond: number): TokenBucket {
    return new TokenBucket(size, perSecond, this.now);
  }
}

function giveBack(...taken: readonly TokenBucket[]): GiveBack {
  return () => {
    for (const bucket of taken) bucket.giveBack();
  };
}

function refused(code: "rate_limited" | "overloaded", tokens: TokenBucket): KhachapuriError {
  const words = code === "rate_limited"
    ? "this network has new deployments looked up too often"
    : "too many new deployments are being looked up";
  return new KhachapuriError(code, words, {
    retryAfterSeconds: Math.max(1, Math.ceil(tokens.waitSeconds())),
    hints: [
      "nothing was charged; try again",
      "callers with a permit that paid here before have a share of their own",
    ],
  });
}

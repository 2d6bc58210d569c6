/**
 * How often strangers can have names looked up: anybody can name any. Each network has its own
 * limit and all share one; who has asked for little has a share that others cannot use up, and so
 * have names that a call was paid by, whoever calls them.
 */
import { KhachapuriError } from "../../errors.ts";
import {
  FRESH_NAME_LOOKUPS_BURST_MAX,
  FRESH_NAME_LOOKUPS_MAX,
  FRESH_NAME_LOOKUPS_PER_SECOND_MAX,
  NAME_LOOKUPS_COUNTED_MAX,
  PAID_NAME_LOOKUPS_BURST_MAX,
  PAID_NAME_LOOKUPS_PER_SECOND_MAX,
  PREFIX_NAME_LOOKUPS_BURST_MAX,
  PREFIX_NAME_LOOKUPS_PER_SECOND_MAX,
  STRANGER_NAME_LOOKUPS_BURST_MAX,
  STRANGER_NAME_LOOKUPS_PER_SECOND_MAX,
} from "../../limits_of_names.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { addressPrefix } from "../http/address_prefix.ts";

export class NameLookupRates {
  readonly #strangers: TokenBucket;
  readonly #fresh: TokenBucket;
  readonly #paid: TokenBucket;
  readonly #networks = new Lru<string, TokenBucket>(NAME_LOOKUPS_COUNTED_MAX);

  /** @param now the clock, ms */
  constructor(private readonly now: () => number) {
    const [burst, perSecond] = [
      STRANGER_NAME_LOOKUPS_BURST_MAX,
      STRANGER_NAME_LOOKUPS_PER_SECOND_MAX,
    ];
    this.#strangers = new TokenBucket(burst, perSecond, now);
    this.#fresh = new TokenBucket(
      FRESH_NAME_LOOKUPS_BURST_MAX,
      FRESH_NAME_LOOKUPS_PER_SECOND_MAX,
      now,
    );
    this.#paid = new TokenBucket(
      PAID_NAME_LOOKUPS_BURST_MAX,
      PAID_NAME_LOOKUPS_PER_SECOND_MAX,
      now,
    );
  }

  /**
   * Admits one lookup.
   * @param from the caller's address; @param isPaid whether a call by the name was paid for
   * @throws KhachapuriError `rate_limited` for the network's own limit, `overloaded` for all others
   */
  admit(from: string, isPaid: boolean): void {
    if (isPaid && this.#paid.take()) return;
    const network = this.#network(from);
    const isFresh = network.isFullBut(FRESH_NAME_LOOKUPS_MAX);
    // The narrow limit first: who runs into its own takes nothing of what all share.
    if (!network.take()) throw refused("rate_limited", network);
    if (this.#strangers.take() || (isFresh && this.#fresh.take())) return;
    network.giveBack();
    throw refused("overloaded", this.#strangers);
  }

  /** Behind a private address there may be a proxy that is not trusted, with all of its callers. */
  #network(from: string): TokenBucket {
    const prefix = addressPrefix(from);
    const name = prefix ?? from;
    const [burst, perSecond] = prefix === null
      ? [STRANGER_NAME_LOOKUPS_BURST_MAX, STRANGER_NAME_LOOKUPS_PER_SECOND_MAX]
      : [PREFIX_NAME_LOOKUPS_BURST_MAX, PREFIX_NAME_LOOKUPS_PER_SECOND_MAX];
    const network = this.#networks.get(name) ?? new TokenBucket(burst, perSecond, this.now);
    this.#networks.set(name, network);
    return network;
  }
}

function refused(code: "rate_limited" | "overloaded", tokens: TokenBucket): KhachapuriError {
  const words = code === "rate_limited"
    ? "this network has names looked up too often"
    : "too many names are being looked up";
  return new KhachapuriError(code, words, {
    retryAfterSeconds: Math.max(1, Math.ceil(tokens.waitSeconds())),
    hints: ["nothing was charged; try again", "/{cid} needs no lookup"],
  });
}

/**
 * How often strangers can make us ask the chain about payments: keys, and signatures by them, cost
 * nothing. Whoever looks too often is refused before the chain is asked.
 */
import { KhachapuriError } from "../../../errors.ts";
import {
  EXACT_LOOKS_BURST_MAX,
  EXACT_LOOKS_PER_SECOND_MAX,
  EXACT_NETWORKS_REMEMBERED_MAX,
  NETWORK_EXACT_LOOKS_BURST_MAX,
  NETWORK_EXACT_LOOKS_PER_SECOND_MAX,
} from "../../../limits_of_exact.ts";
import { Lru } from "../../../lru.ts";
import { TokenBucket } from "../../../token_bucket.ts";
import { addressPrefix } from "../../http/address_prefix.ts";

export class ExactLooks {
  readonly #all: TokenBucket;
  readonly #networks = new Lru<string, TokenBucket>(EXACT_NETWORKS_REMEMBERED_MAX);

  /** @param now ms */
  constructor(private readonly now: () => number) {
    this.#all = new TokenBucket(EXACT_LOOKS_BURST_MAX, EXACT_LOOKS_PER_SECOND_MAX, now);
  }

  /**
   * Admits one look.
   * @param from the caller's address; a proxy's is no network of its own
   * @throws KhachapuriError `rate_limited` for its network's share, `overloaded` for that of all
   */
  admit(from: string | undefined): void {
    const network = from === undefined ? null : addressPrefix(from);
    const own = network === null ? null : this.#networkRate(network);
    if (own && !own.take()) throw tooMany("rate_limited", "of your network", own);
    if (this.#all.take()) return;
    own?.giveBack();
    throw tooMany("overloaded", "of all", this.#all);
  }

  #networkRate(network: string): TokenBucket {
    const [burst, perSecond] = [
      NETWORK_EXACT_LOOKS_BURST_MAX,
      NETWORK_EXACT_LOOKS_PER_SECOND_MAX,
    ];
    const fresh = () => new TokenBucket(burst, perSecond, this.now);
    return this.#networks.getOrInsertComputed(network, fresh);
  }
}

function tooMany(
  code: "rate_limited" | "overloaded",
  whose: string,
  rate: TokenBucket,
): KhachapuriError {
  return new KhachapuriError(code, `too many payments ${whose} are being looked at`, {
    retryAfterSeconds: Math.max(1, Math.ceil(rate.waitSeconds())),
    hints: ["nothing was charged; send the same payment again"],
  });
}

/**
 * How often owners may have done for them what no call pays for. A network's limit comes before any
 * signature is checked, as who asks is not known by then, and the owner's behind it.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { ASKERS_REMEMBERED_MAX } from "../../limits_of_content.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { addressPrefix } from "../http/address_prefix.ts";

/** So many at once, and then so many a second. */
export interface AskRate {
  readonly burst: number;
  readonly perSecond: number;
}

export interface AskLimitsOptions {
  /** What is asked for, in the plural. */
  what: string;
  hints: readonly string[];
  network: AskRate;
  owner: AskRate;
  /** The clock, ms. */
  now: () => number;
}

export class AskLimits {
  readonly #networks = new Lru<string, TokenBucket>(ASKERS_REMEMBERED_MAX);
  readonly #owners = new Lru<string, TokenBucket>(ASKERS_REMEMBERED_MAX);

  constructor(private readonly options: AskLimitsOptions) {}

  /**
   * Admits whoever asks, also for what will be refused.
   * @param from the caller's address
   * @throws KhachapuriError `rate_limited`
   */
  admitNetwork(from: string): void {
    this.#take(this.#networks, addressPrefix(from) ?? from, this.options.network);
  }

  /**
   * Admits an owner that has proved to be one.
   * @throws KhachapuriError `rate_limited`
   */
  admitOwner(owner: Address): void {
    this.#take(this.#owners, owner, this.options.owner);
  }

  #take(buckets: Lru<string, TokenBucket>, key: string, { burst, perSecond }: AskRate): void {
    const { what, hints, now } = this.options;
    const bucket = buckets.get(key) ?? new TokenBucket(burst, perSecond, now);
    buckets.set(key, bucket);
    if (bucket.take()) return;
    throw new KhachapuriError("rate_limited", `too many ${what}`, {
      retryAfterSeconds: Math.max(1, Math.ceil(bucket.waitSeconds())),
      hints,
    });
  }
}

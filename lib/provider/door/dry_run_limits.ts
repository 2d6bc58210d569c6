/** How often owners may have their deployments tried for nothing. */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  DRY_RUNNERS_REMEMBERED_MAX,
  NETWORK_DRY_RUNS_BURST_MAX,
  NETWORK_DRY_RUNS_PER_SECOND_MAX,
  OWNER_DRY_RUNS_BURST_MAX,
  OWNER_DRY_RUNS_PER_SECOND_MAX,
} from "../../limits_of_content.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { addressPrefix } from "../http/address_prefix.ts";

export class DryRunLimits {
  readonly #owners = new Lru<string, TokenBucket>(DRY_RUNNERS_REMEMBERED_MAX);
  readonly #networks = new Lru<string, TokenBucket>(DRY_RUNNERS_REMEMBERED_MAX);

  /** @param now the clock, ms */
  constructor(private readonly now: () => number) {}

  /**
   * Admits one.
   * @param from the caller's address
   * @throws KhachapuriError `rate_limited`
   */
  admit(owner: Address, from: string): void {
    const network = addressPrefix(from) ?? from;
    this.#take(this.#networks, network, [
      NETWORK_DRY_RUNS_BURST_MAX,
      NETWORK_DRY_RUNS_PER_SECOND_MAX,
    ]);
    this.#take(this.#owners, owner, [OWNER_DRY_RUNS_BURST_MAX, OWNER_DRY_RUNS_PER_SECOND_MAX]);
  }

  #take(
    buckets: Lru<string, TokenBucket>,
    key: string,
    [burst, perSecond]: readonly [number, number],
  ): void {
    const bucket = buckets.get(key) ?? new TokenBucket(burst, perSecond, this.now);
    buckets.set(key, bucket);
    if (bucket.take()) return;
    throw new KhachapuriError("rate_limited", "too many dry runs", {
      retryAfterSeconds: Math.max(1, Math.ceil(bucket.waitSeconds())),
      hints: ["deploy --no-dry-run goes without"],
    });
  }
}

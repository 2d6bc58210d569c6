/**
 * How often an answer that was paid once is given again: each time is up to a megabyte of ours for
 * nothing, so a few at once, for a connection that breaks, and then seldom.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  IDEMPOTENCY_KEYS_REMEMBERED_MAX,
  KEY_REPLAYS_BURST_MAX,
  KEY_REPLAYS_PER_SECOND_MAX,
  PAYER_REPLAYS_BURST_MAX,
  PAYER_REPLAYS_PER_SECOND_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";

export class Replays {
  readonly #ofKeys = new Lru<string, TokenBucket>(IDEMPOTENCY_KEYS_REMEMBERED_MAX);
  readonly #ofPayers = new Lru<Address, TokenBucket>(IDEMPOTENCY_KEYS_REMEMBERED_MAX);

  constructor(private readonly now: () => number) {}

  /**
   * Admits one replay.
   * @param key the Idempotency-Key's id as text
   * @throws KhachapuriError `rate_limited`
   */
  admit(key: string, payer: Address): void {
    const { now } = this;
    const own = this.#ofKeys.get(key) ??
      new TokenBucket(KEY_REPLAYS_BURST_MAX, KEY_REPLAYS_PER_SECOND_MAX, now);
    if (!own.take()) throw tooMany("this answer was", own);
    this.#ofKeys.set(key, own);
    const all = this.#ofPayers.get(payer) ??
      new TokenBucket(PAYER_REPLAYS_BURST_MAX, PAYER_REPLAYS_PER_SECOND_MAX, now);
    if (!all.take()) {
      own.giveBack();
      throw tooMany("this payer's answers were", all);
    }
    this.#ofPayers.set(payer, all);
    forgetFull(this.#ofKeys);
    forgetFull(this.#ofPayers);
  }

  /** Keys and payers that are remembered. */
  size(): number {
    return this.#ofKeys.weight() + this.#ofPayers.weight();
  }
}

/** A bucket that is full again is as good as none: those that have rested for longest. */
function forgetFull<Key>(buckets: Lru<Key, TokenBucket>): void {
  for (const key of buckets.keys()) {
    if (!buckets.peek(key)!.isFullBut(0)) return;
    buckets.delete(key);
  }
}

function tooMany(what: string, rate: TokenBucket): KhachapuriError {
  return new KhachapuriError("rate_limited", `${what} given again too often`, {
    retryAfterSeconds: Math.ceil(rate.waitSeconds()),
    hints: ["nothing was charged for this one", "use a new key to run it again"],
  });
}

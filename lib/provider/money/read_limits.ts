/**
 * How often strangers can make us read the chain. Anybody can name a payer, and keys cost nothing,
 * so what they may ask for is limited per payer, per network and in total; whoever had calls here
 * and signs with the key that we know of has a share of its own, which nobody else can use up.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  LIMITED_PAYERS_REMEMBERED_MAX,
  LIMITED_PREFIXES_REMEMBERED_MAX,
  PAYER_LANE_READS_PER_SECOND_MAX,
  PAYER_LANES_MAX,
  PAYER_SECOND_LOOKS_BURST_MAX,
  PAYER_SECOND_LOOKS_PER_SECOND_MAX,
  PREFIX_READS_BURST_MAX,
  PREFIX_READS_PER_SECOND_MAX,
  STRANGER_READS_BURST_MAX,
  STRANGER_READS_PER_SECOND_MAX,
  UNKNOWN_SIGNER_READS_BURST_MAX,
  UNKNOWN_SIGNER_READS_PER_SECOND_MAX,
  UNPROVEN_READS_BURST_MAX,
  UNPROVEN_READS_PER_SECOND_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { addressPrefix } from "../http/address_prefix.ts";

/** Who makes us read. */
export interface Asker {
  readonly payer: Address;
  /** Whether the payer had a call here. */
  readonly isKnown: boolean;
  /** Whether the permit is signed by the payer itself or by the signer that we know of. */
  readonly isProven: boolean;
  /** The caller's address; undefined where it is not told. */
  readonly from: string | undefined;
}

/** Why the chain is read. */
export type Occasion =
  /** Nothing is known that is good enough. */
  | "view"
  /** The lane was never seen. */
  | "lane"
  /** Before a no is said: the payer may have allowed more just now. */
  | "second_look";

/** Whose limit refused. */
export type Bucket = "payer" | "prefix" | "strangers" | "unproven";

export class ReadLimits {
  readonly #now: () => number;
  readonly #strangers: TokenBucket;
  readonly #unproven: TokenBucket;
  readonly #prefixes = new Lru<string, TokenBucket>(LIMITED_PREFIXES_REMEMBERED_MAX);
  /** By occasion and payer. */
  readonly #payers = new Lru<string, TokenBucket>(LIMITED_PAYERS_REMEMBERED_MAX);
  readonly #refused = new Map<Bucket, number>();

  /** @param now the clock, ms */
  constructor(now: () => number) {
    this.#now = now;
    this.#strangers = new TokenBucket(
      STRANGER_READS_BURST_MAX,
      STRANGER_READS_PER_SECOND_MAX,
      now,
    );
    this.#unproven = new TokenBucket(UNPROVEN_READS_BURST_MAX, UNPROVEN_READS_PER_SECOND_MAX, now);
  }

  /**
   * Admits one read.
   * @throws KhachapuriError `rate_limited` for the payer's or the network's own limit, `overloaded`
   *   for those of all strangers
   */
  admit(asker: Asker, occasion: Occasion): void {
    if (asker.isKnown && asker.isProven) return this.#admitPayer(asker, occasion);
    const prefix = asker.from === undefined ? null : addressPrefix(asker.from);
    // The narrow limits first: who runs into its own takes nothing of what all share.
    if (prefix !== null) this.#take("prefix", this.#prefix(prefix));
    this.#take("payer", asker.isProven ? this.#lanesOf(asker) : this.#unknownSigner(asker));
    if (asker.isKnown) this.#take("unproven", this.#unproven);
    else this.#take("strangers", this.#strangers);
  }

  /** Reads that were refused, by whose limit. */
  refused(): ReadonlyMap<Bucket, number> {
    return this.#refused;
  }

  /** A payer's view is read whenever it must: it changes by what happens on chain alone. */
  #admitPayer(asker: Asker, occasion: Occasion): void {
    if (occasion === "view") return;
    this.#take("payer", occasion === "lane" ? this.#lanesOf(asker) : this.#secondLooksOf(asker));
  }

  #lanesOf({ payer }: Asker): TokenBucket {
    const [burst, perSecond] = [PAYER_LANES_MAX, PAYER_LANE_READS_PER_SECOND_MAX];
    return bucketOf(this.#payers, `lanes:${payer}`, burst, perSecond, this.#now);
  }

  #secondLooksOf({ payer }: Asker): TokenBucket {
    const [burst, perSecond] = [
      PAYER_SECOND_LOOKS_BURST_MAX,
      PAYER_SECOND_LOOKS_PER_SECOND_MAX,
    ];
    return bucketOf(this.#payers, `looks:${payer}`, burst, perSecond, this.#now);
  }

  #unknownSigner({ payer }: Asker): TokenBucket {
    const burst = UNKNOWN_SIGNER_READS_BURST_MAX;
    const perSecond = UNKNOWN_SIGNER_READS_PER_SECOND_MAX;
    return bucketOf(this.#payers, `signer:${payer}`, burst, perSecond, this.#now);
  }

  #prefix(prefix: string): TokenBucket {
    const [burst, perSecond] = [PREFIX_READS_BURST_MAX, PREFIX_READS_PER_SECOND_MAX];
    return bucketOf(this.#prefixes, prefix, burst, perSecond, this.#now);
  }

  #take(bucket: Bucket, tokens: TokenBucket): void {
    if (tokens.take()) return;
    this.#refused.set(bucket, (this.#refused.get(bucket) ?? 0) + 1);
    const isOwn = bucket === "payer" || bucket === "prefix";
    throw new KhachapuriError(
      isOwn ? "rate_limited" : "overloaded",
      isOwn ? "the chain is read too often for this caller" : "too many payers are being looked up",
      {
        retryAfterSeconds: Math.max(1, Math.ceil(tokens.waitSeconds())),
        hints: ["nothing was charged; try again"],
      },
    );
  }
}

/** A bucket that is full at first. */
function bucketOf(
  buckets: Lru<string, TokenBucket>,
  key: string,
  burst: number,
  perSecond: number,
  now: () => number,
): TokenBucket {
  return buckets.getOrInsertComputed(key, () => new TokenBucket(burst, perSecond, now));
}

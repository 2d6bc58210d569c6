/** How much is relayed: so many of one payer an hour, and of all so many a minute. */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { PAYER_RELAYS_PER_HOUR_MAX, RELAYED_PAYERS_REMEMBERED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";

export interface TurnLimits {
  /** What is relayed, for messages: "deposit". */
  what: string;
  /** Of all payers together. */
  perMinute: number;
}

export interface RelayTurns {
  /**
   * Takes the payer's turn.
   * @returns to be called when nothing was sent after all
   * @throws KhachapuriError `rate_limited`
   */
  take(payer: Address): Promise<() => void>;
}

/** Of one process. */
export class OwnTurns implements RelayTurns {
  readonly #rate: TokenBucket;
  readonly #rates = new Lru<Address, TokenBucket>(RELAYED_PAYERS_REMEMBERED_MAX);

  constructor(private readonly limits: TurnLimits, private readonly now: () => number) {
    const { perMinute } = limits;
    this.#rate = new TokenBucket(perMinute, perMinute / 60, now);
  }

  take(payer: Address): Promise<() => void> {
    const own = this.#rates.getOrInsertComputed(payer, () => this.#newRate());
    if (!own.take()) return Promise.reject(tooManyOfPayer(this.limits, own.waitSeconds()));
    if (!this.#rate.take()) {
      own.giveBack();
      return Promise.reject(tooManyOfAll(this.limits, this.#rate.waitSeconds()));
    }
    return Promise.resolve(() => {
      own.giveBack();
      this.#rate.giveBack();
    });
  }

  #newRate(): TokenBucket {
    const most = PAYER_RELAYS_PER_HOUR_MAX;
    return new TokenBucket(most, most / 3_600, this.now);
  }
}

export function tooManyOfPayer({ what }: TurnLimits, waitSeconds: number): KhachapuriError {
  return tooMany(`${PAYER_RELAYS_PER_HOUR_MAX} ${what}s of one payer an hour`, waitSeconds);
}

export function tooManyOfAll(
  { what, perMinute }: TurnLimits,
  waitSeconds: number,
): KhachapuriError {
  return tooMany(`${perMinute} ${what}s a minute`, waitSeconds);
}

function tooMany(limit: string, waitSeconds: number): KhachapuriError {
  return new KhachapuriError("rate_limited", `${limit} are relayed here`, {
    retryAfterSeconds: Math.ceil(waitSeconds),
    hints: ["or send it yourself, or by somebody else"],
  });
}

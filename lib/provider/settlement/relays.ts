/**
 * What payers have signed and we send at our gas. Nothing is sent that the chain would refuse now,
 * and payers can make us try so many and send so many, strangers and those we know. A try is not in
 * the operator's queue, so that what is refused stands in front of no settlement.
 */
import type { Address, TransactionReceipt } from "viem";
import type { ContractCall } from "../../chain/client.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  PAYER_RELAYS_PER_HOUR_MAX,
  PAYER_TRIES_BURST_MAX,
  PAYER_TRIES_PER_SECOND_MAX,
  RELAY_TIMEOUT_MS,
  RELAY_TRIES_BURST_MAX,
  RELAY_TRIES_PER_SECOND_MAX,
  RELAYED_PAYERS_REMEMBERED_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { withinTime } from "../../within.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Payers } from "../money/payers.ts";
import type { Operator } from "./operator.ts";

export interface RelaysOptions {
  /** What is relayed, for messages: "deposit". */
  what: string;
  perMinute: number;
  operator: Pick<Operator, "simulate" | "send">;
  ledger: Pick<Ledger, "knows">;
  payers: Pick<Payers, "forget">;
  now: () => number;
}

/** Between "this is good" and the block that takes it, seconds. */
export const MINING_SECONDS = 30n;

export class Relays {
  readonly #options: RelaysOptions;
  readonly #rate: TokenBucket;
  /** Tries for payers that never had a call here, and for all the others. */
  readonly #strangersRate: TokenBucket;
  readonly #knownRate: TokenBucket;
  /** Tries for one payer that had a call here. */
  readonly #tryRates = new Lru<Address, TokenBucket>(RELAYED_PAYERS_REMEMBERED_MAX);
  /** What is sent for one payer. */
  readonly #rates = new Lru<Address, TokenBucket>(RELAYED_PAYERS_REMEMBERED_MAX);

  constructor(options: RelaysOptions) {
    this.#options = options;
    const { perMinute, now } = options;
    this.#rate = new TokenBucket(perMinute, perMinute / 60, now);
    this.#strangersRate = new TokenBucket(RELAY_TRIES_BURST_MAX, RELAY_TRIES_PER_SECOND_MAX, now);
    this.#knownRate = new TokenBucket(RELAY_TRIES_BURST_MAX, RELAY_TRIES_PER_SECOND_MAX, now);
  }

  /**
   * Admits one look at the chain for a payer, who has proved to be one.
   * @throws KhachapuriError `rate_limited` for its own, `overloaded` for those of all
   */
  admitTry(payer: Address): void {
    if (!this.#options.ledger.knows(payer)) return this.#takeTry(this.#strangersRate);
    // Before what all share, so that one payer that is refused takes no other's try.
    const own = bucketOf(this.#tryRates, payer, () => this.#newTryRate());
    if (!own.take()) throw tooManyTries("rate_limited", `${this.#options.what}s of one payer`, own);
    this.#takeTry(this.#knownRate);
  }

  #takeTry(rate: TokenBucket): void {
    if (!rate.take()) throw tooManyTries("overloaded", `${this.#options.what}s`, rate);
  }

  #newTryRate(): TokenBucket {
    return new TokenBucket(PAYER_TRIES_BURST_MAX, PAYER_TRIES_PER_SECOND_MAX, this.#options.now);
  }

  /**
   * Has a call mined for `payer`, whose views are read anew from then on.
   * @param onUnsent called when nothing was sent after all, be it after this has given up waiting
   * @returns the receipt, which may say that it reverted: somebody else was faster
   * @throws KhachapuriError `chain_refused`: nothing was sent, and it took nobody's turn;
   *   `rate_limited`, `chain_unavailable`
   */
  async send(
    payer: Address,
    call: ContractCall,
    onUnsent: () => void = () => {},
  ): Promise<TransactionReceipt> {
    const { operator, payers, what } = this.#options;
    const giveBack = await this.#admit(payer, call).catch((error) => {
      onUnsent();
      throw error;
    });
    const sent = operator.send(call, { rank: "relay", costMax: null }).catch((error) => {
      giveBack();
      onUnsent();
      throw error;
    });
    const receipt = await withinTime(sent, RELAY_TIMEOUT_MS, () => late(what));
    payers.forget(payer);
    return receipt;
  }

  /** A turn for what the chain would take now. */
  async #admit(payer: Address, call: ContractCall): Promise<() => void> {
    await this.#options.operator.simulate(call);
    return this.#takeTurn(payer);
  }

  /** @returns to be called when nothing was sent after all */
  #takeTurn(payer: Address): () => void {
    const own = bucketOf(this.#rates, payer, () => this.#newRate());
    if (!own.take()) {
      const limit = `${PAYER_RELAYS_PER_HOUR_MAX} ${this.#options.what}s of one payer an hour`;
      throw tooMany(limit, own.waitSeconds());
    }
    if (!this.#rate.take()) {
      own.giveBack();
      const limit = `${this.#options.perMinute} ${this.#options.what}s a minute`;
      throw tooMany(limit, this.#rate.waitSeconds());
    }
    return () => {
      own.giveBack();
      this.#rate.giveBack();
    };
  }

  #newRate(): TokenBucket {
    const most = PAYER_RELAYS_PER_HOUR_MAX;
    return new TokenBucket(most, most / 3_600, this.#options.now);
  }
}

/** A payer's own bucket, which is full at first. */
function bucketOf(
  buckets: Lru<Address, TokenBucket>,
  payer: Address,
  fresh: () => TokenBucket,
): TokenBucket {
  const known = buckets.get(payer);
  if (known) return known;
  const bucket = fresh();
  buckets.set(payer, bucket);
  return bucket;
}

function tooManyTries(
  code: "rate_limited" | "overloaded",
  what: string,
  rate: TokenBucket,
): KhachapuriError {
  return new KhachapuriError(code, `too many ${what} are being tried`, {
    retryAfterSeconds: Math.ceil(rate.waitSeconds()),
  });
}

function tooMany(limit: string, waitSeconds: number): KhachapuriError {
  return new KhachapuriError("rate_limited", `${limit} are relayed here`, {
    retryAfterSeconds: Math.ceil(waitSeconds),
    hints: ["or send it yourself, or by somebody else"],
  });
}

function late(what: string): KhachapuriError {
  return new KhachapuriError("chain_unavailable", `the ${what} was not mined in time`, {
    retryAfterSeconds: 10,
    hints: ["it may still be mined: look before signing another"],
  });
}

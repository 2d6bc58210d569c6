/**
 * What payers have signed and we send at our gas. Nothing is sent that the chain would refuse now,
 * and strangers can make us try so many and send so many. A try is not in the operator's queue, so
 * that what is refused stands in front of no settlement.
 */
import type { Address, TransactionReceipt } from "viem";
import type { ContractCall } from "../../chain/client.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  PAYER_RELAYS_PER_HOUR_MAX,
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
  /** Tries for payers that never had a call here. */
  readonly #strangersRate: TokenBucket;
  readonly #rates = new Lru<Address, TokenBucket>(RELAYED_PAYERS_REMEMBERED_MAX);

  constructor(options: RelaysOptions) {
    this.#options = options;
    const { perMinute, now } = options;
    this.#rate = new TokenBucket(perMinute, perMinute / 60, now);
    this.#strangersRate = new TokenBucket(RELAY_TRIES_BURST_MAX, RELAY_TRIES_PER_SECOND_MAX, now);
  }

  /**
   * Admits one look at the chain for a payer, who has proved to be one.
   * @throws KhachapuriError `overloaded`
   */
  admitTry(payer: Address): void {
    if (this.#options.ledger.knows(payer) || this.#strangersRate.take()) return;
    throw new KhachapuriError("overloaded", `too many ${this.#options.what}s are being tried`, {
      retryAfterSeconds: Math.ceil(this.#strangersRate.waitSeconds()),
    });
  }

  /**
   * Has a call mined for `payer`, whose views are read anew from then on.
   * @returns the receipt, which may say that it reverted: somebody else was faster
   * @throws KhachapuriError `chain_refused`: nothing was sent, and it took nobody's turn;
   *   `rate_limited`, `chain_unavailable`
   */
  async send(payer: Address, call: ContractCall): Promise<TransactionReceipt> {
    const { operator, payers, what } = this.#options;
    await operator.simulate(call);
    const giveBack = this.#takeTurn(payer);
    const sent = operator.send(call).catch((error) => {
      giveBack();
      throw error;
    });
    const receipt = await withinTime(sent, RELAY_TIMEOUT_MS, () => late(what));
    payers.forget(payer);
    return receipt;
  }

  /** @returns to be called when nothing was sent after all */
  #takeTurn(payer: Address): () => void {
    const own = this.#rateOf(payer);
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

  #rateOf(payer: Address): TokenBucket {
    const known = this.#rates.get(payer);
    if (known) return known;
    const most = PAYER_RELAYS_PER_HOUR_MAX;
    const rate = new TokenBucket(most, most / 3_600, this.#options.now);
    this.#rates.set(payer, rate);
    return rate;
  }
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

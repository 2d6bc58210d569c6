/**
 * What payers have signed and we send at our gas. Nothing is sent that the chain would refuse now,
 * or that costs more than it is worth, and payers can make us look at so many, try so many and send
 * so many, strangers and those we know. Neither is in the operator's queue, so that what is refused
 * stands in front of no settlement.
 */
import type { Address, TransactionReceipt } from "viem";
import type { ContractCall } from "../../chain/client.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NETWORK_RELAYS_BURST_MAX,
  NETWORK_RELAYS_PER_SECOND_MAX,
  PAYER_TRIES_BURST_MAX,
  PAYER_TRIES_PER_SECOND_MAX,
  RELAY_LOOKS_BURST_MAX,
  RELAY_LOOKS_PER_SECOND_MAX,
  RELAY_TIMEOUT_MS,
  RELAY_TRIES_BURST_MAX,
  RELAY_TRIES_PER_SECOND_MAX,
  RELAYED_PAYERS_REMEMBERED_MAX,
  RELAYING_NETWORKS_REMEMBERED_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { withinTime } from "../../within.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import type { Payers } from "../money/payers.ts";
import { costOf, weiOf } from "./gas_worth.ts";
import type { Operator } from "./operator.ts";
import { OwnTurns, type RelayTurns, type TurnLimits } from "./relay_turns.ts";

export interface RelaysOptions extends TurnLimits {
  /** Whose turn it is; counted here unless somebody else does. */
  turns?: RelayTurns;
  /** Of one whole coin that gas is paid in, USDC base units. */
  coinPrice: bigint;
  operator: Pick<Operator, "send" | "gasPrice"> & {
    simulate(call: ContractCall): Promise<unknown>;
  };
  ledger: Pick<Ledger, "knows">;
  payers: Pick<Payers, "forget">;
  now: () => number;
}

/** What is to be sent for a payer. */
export interface Relay {
  payer: Address;
  call: ContractCall;
  /** The most that its gas may cost, USDC base units. */
  worth: bigint;
  /** Before it is sent; once it is, whatever was noted stays. */
  onSend?: () => Promise<void>;
  /** Nothing was sent after all, be it that this is found after it was given up waiting. */
  onUnsent?: () => void;
}

/** Between "this is good" and the block that takes it, seconds. */
export const MINING_SECONDS = 30n;

export class Relays {
  readonly #options: RelaysOptions;
  readonly #turns: RelayTurns;
  /** For payers that never had a call here, and for all the others. */
  readonly #strangers: SharedRates;
  readonly #known: SharedRates;
  /** Looks for one network. */
  readonly #networkRates = new Lru<string, TokenBucket>(RELAYING_NETWORKS_REMEMBERED_MAX);
  /** Looks for one payer that had a call here. */
  readonly #lookRates = new Lru<Address, TokenBucket>(RELAYED_PAYERS_REMEMBERED_MAX);

  constructor(options: RelaysOptions) {
    this.#options = options;
    const { now } = options;
    this.#turns = options.turns ?? new OwnTurns(options, now);
    this.#strangers = sharedRates(now);
    this.#known = sharedRates(now);
  }

  /**
   * What `gas` costs now.
   * @returns USDC base units; 0 where gas costs nothing, and nobody is asked
   * @throws KhachapuriError `chain_unavailable`
   */
  async costOf(gas: bigint): Promise<bigint> {
    const { coinPrice, operator } = this.#options;
    return coinPrice === 0n ? 0n : costOf(gas, await operator.gasPrice(), coinPrice);
  }

  /**
   * Admits one check of a signature.
   * @param from the address of whoever sent it; a proxy's is no network of its own
   * @throws KhachapuriError `rate_limited`
   */
  admitFrom(from: string | undefined): void {
    const network = from === undefined ? null : addressPrefix(from);
    if (network === null) return;
    const own = this.#networkRates.getOrInsertComputed(network, () => this.#newNetworkRate());
    if (!own.take()) throw this.#tooManyTries("rate_limited", " of one network", own);
  }

  /**
   * Admits one look at what a payer has, who has proved to be one.
   * @throws KhachapuriError `rate_limited` for its own, `overloaded` for those of all
   */
  admitLook(payer: Address): void {
    if (this.#options.ledger.knows(payer)) {
      // Before what all share, so that one payer that is refused takes no other's look.
      const own = this.#lookRates.getOrInsertComputed(payer, () => this.#newLookRate());
      if (!own.take()) throw this.#tooManyTries("rate_limited", " of one payer", own);
    }
    this.#takeShared(this.#ratesOf(payer).looks);
  }

  /**
   * Admits one try of what was looked at and seems to be good.
   * @throws KhachapuriError `overloaded`
   */
  admitTry(payer: Address): void {
    this.#takeShared(this.#ratesOf(payer).tries);
  }

  #ratesOf(payer: Address): SharedRates {
    return this.#options.ledger.knows(payer) ? this.#known : this.#strangers;
  }

  #takeShared(rate: TokenBucket): void {
    if (!rate.take()) throw this.#tooManyTries("overloaded", "", rate);
  }

  #newNetworkRate(): TokenBucket {
    const { now } = this.#options;
    return new TokenBucket(NETWORK_RELAYS_BURST_MAX, NETWORK_RELAYS_PER_SECOND_MAX, now);
  }

  #newLookRate(): TokenBucket {
    return new TokenBucket(PAYER_TRIES_BURST_MAX, PAYER_TRIES_PER_SECOND_MAX, this.#options.now);
  }

  #tooManyTries(
    code: "rate_limited" | "overloaded",
    whose: string,
    rate: TokenBucket,
  ): KhachapuriError {
    const message = `too many ${this.#options.what}s${whose} are being tried`;
    return new KhachapuriError(code, message, { retryAfterSeconds: Math.ceil(rate.waitSeconds()) });
  }

  /**
   * Has a call mined for a payer, whose views are read anew from then on.
   * @returns the receipt, which may say that it reverted: somebody else was faster
   * @throws KhachapuriError `chain_refused`: nothing was sent, and it took nobody's turn;
   *   `rate_limited`, `chain_unavailable`
   */
  async send(relay: Relay): Promise<TransactionReceipt> {
    const { operator, payers, what } = this.#options;
    await operator.simulate(relay.call);
    const giveBack = await this.#turns.take(relay.payer);
    const sent = this.#sendNow(relay).catch((error) => {
      giveBack();
      relay.onUnsent?.();
      throw error;
    });
    const receipt = await withinTime(sent, RELAY_TIMEOUT_MS, () => late(what));
    payers.forget(relay.payer);
    return receipt;
  }

  async #sendNow({ call, worth, onSend }: Relay): Promise<TransactionReceipt> {
    const { operator, coinPrice } = this.#options;
    await onSend?.();
    return await operator.send(call, { rank: "relay", costMax: weiOf(worth, coinPrice) });
  }
}

/** What many payers share. */
interface SharedRates {
  looks: TokenBucket;
  tries: TokenBucket;
}

function sharedRates(now: () => number): SharedRates {
  return {
    looks: new TokenBucket(RELAY_LOOKS_BURST_MAX, RELAY_LOOKS_PER_SECOND_MAX, now),
    tries: new TokenBucket(RELAY_TRIES_BURST_MAX, RELAY_TRIES_PER_SECOND_MAX, now),
  };
}

function late(what: string): KhachapuriError {
  return new KhachapuriError("chain_unavailable", `the ${what} was not mined in time`, {
    retryAfterSeconds: 10,
    hints: ["it may still be mined: look before signing another"],
  });
}

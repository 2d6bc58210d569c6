/** Hands signed forms to a node, and understands what it says to them. */
import { type Address, BaseError, type Hex, type PublicClient } from "viem";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import { asChainError } from "../refusal.ts";
import { isFresh, type Price } from "./fees.ts";
import type { FlightForm, OutFlight } from "./flight.ts";

export type DeliveryClient = Pick<
  PublicClient,
  "getBalance" | "getTransaction" | "sendRawTransaction"
>;

export interface DeliveryOptions {
  client: DeliveryClient;
  /** The RPC's origin, for messages; never the URL, which may hold an API key. */
  endpoint: string;
  address: Address;
}

/** What became of one broadcast. */
type Answer =
  | { kind: "held" }
  /** Another form of its nonce is held or mined, or nodes take none so cheap. */
  | { kind: "too cheap"; failure: KhachapuriError }
  | { kind: "no coin"; failure: KhachapuriError }
  | { kind: "refused"; failure: KhachapuriError };

/** There is a dearer form of its nonce, or its fee is below what the node takes. */
const TOO_CHEAP = /underpriced|replacement|fee too low|less than block base fee/i;

export class Delivery {
  readonly #options: DeliveryOptions;
  /** The account's coin as it was read last, wei; null: it was not. */
  balance: bigint | null = null;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Broadcasts the newest form. @returns null when the node has it now, else what it said */
  async deliverNewest(flight: OutFlight): Promise<KhachapuriError | null> {
    const answer = await this.#offer(flight, flight.forms.at(-1)!);
    return answer.kind === "held" ? null : answer.failure;
  }

  /**
   * Broadcasts every form, cheapest first, up to the one that pays what is asked now: after an
   * outage the cheapest that is good enough is mined.
   * @returns null when the node has one of them now, else what it said to the last
   */
  async deliver(flight: OutFlight, price: Price | null): Promise<KhachapuriError | null> {
    let failure: KhachapuriError | null = null;
    for (const form of flight.forms) {
      const answer = await this.#offer(flight, form);
      if (answer.kind === "no coin" || answer.kind === "refused") return answer.failure;
      failure = answer.kind === "held" ? null : answer.failure;
      if (failure === null && price && isFresh(form, price)) break;
    }
    return failure;
  }

  /** Reads the account's coin. @throws what viem throws when the chain does not answer */
  async readBalance(): Promise<bigint> {
    const { client, address } = this.#options;
    return this.balance = await client.getBalance({ address });
  }

  async #offer(flight: OutFlight, form: FlightForm): Promise<Answer> {
    const answer = await this.#send(form);
    if (answer.kind === "held") flight.heldForm = form.hash;
    if (answer.kind === "held" || answer.kind === "no coin") {
      flight.lacksCoin = answer.kind === "no coin";
    }
    return answer;
  }

  async #send(form: FlightForm): Promise<Answer> {
    const { client } = this.#options;
    try {
      await client.sendRawTransaction({ serializedTransaction: form.raw });
      return { kind: "held" };
    } catch (error) {
      const failure = this.asFailure(error);
      const said = `${(error as BaseError).details ?? ""} ${(error as Error).message}`;
      if (/already (known|imported|exists)/i.test(said)) return { kind: "held" };
      // "nonce too low" because an earlier broadcast did arrive, or because another form did.
      if (/nonce/i.test(said)) {
        return await this.#isKnown(form.hash) ? { kind: "held" } : { kind: "too cheap", failure };
      }
      if (TOO_CHEAP.test(said)) return { kind: "too cheap", failure };
      return { kind: await this.#lacksCoin(form, failure) ? "no coin" : "refused", failure };
    }
  }

  async #isKnown(hash: Hex): Promise<boolean> {
    return await this.#options.client.getTransaction({ hash }).then(() => true, () => false);
  }

  /** Nodes word it in many ways, so the account's coin is counted too. */
  async #lacksCoin({ gas, maxFeePerGas }: FlightForm, failure: KhachapuriError): Promise<boolean> {
    const balance = await this.readBalance().catch(() => null);
    if (balance !== null && balance < gas * maxFeePerGas) return true;
    // It may be enough for this one and not for all that are out.
    return failure.data.reason === "InsufficientFunds";
  }

  /** What a client threw, in our words. */
  asFailure(error: unknown): KhachapuriError {
    const { endpoint, address } = this.#options;
    if (!(error instanceof BaseError)) return asKhachapuriError(error);
    return asChainError(error, endpoint, {}, address);
  }
}

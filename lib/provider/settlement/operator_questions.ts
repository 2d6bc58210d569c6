/** What is asked of the chain about calls that one may send; it takes no nonce. */
import type { Address } from "viem";
import type { Chain } from "../../chain/client.ts";
import { gasPriceOf } from "../../chain/outbox/fees.ts";
import { estimateGas } from "../../chain/outbox/gas.ts";
import { readPrice } from "../../chain/outbox/price.ts";
import type { Outgoing } from "../../chain/outbox/store.ts";
import { asChainError } from "../../chain/refusal.ts";
import { bytesOf, type OperatorCall, refusal, TooMuchGas } from "./operator_call.ts";

/** How much gas a call is given. */
export interface GasBounds {
  /** It is given this at least, whatever the estimate says. */
  gasMin?: bigint;
  /** One that wants more is not sent. */
  gasMax?: bigint;
}

export interface OperatorQuestions {
  readonly address: Address;
  /**
   * Whether the chain would take `call` now, as far as one can tell; beside the queue of what is
   * sent.
   * @returns the gas that it would be given
   * @throws KhachapuriError `chain_refused`, `chain_unavailable`, as `Operator.send`
   */
  simulate(call: OperatorCall): Promise<bigint>;
  /**
   * What a unit of gas costs now, base fee and tip, wei; a few seconds old at most.
   * @throws KhachapuriError `chain_unavailable`
   */
  gasPrice(): Promise<bigint>;
}

/** The same, as who sends needs it. */
export interface Asking extends OperatorQuestions {
  /** As of now: what is out and not mined yet is not in it. @throws what the chain throws */
  prepare(call: OperatorCall, bounds?: GasBounds): Promise<Outgoing>;
  /** Throws what `prepare` threw, in our words. */
  refused(call: OperatorCall): (cause: unknown) => never;
}

/** A price of gas is good for this long, ms: about as long as a block. */
const GAS_PRICE_MS = 2_000;

/** @param address of who would send */
export function askChain(chain: Chain, address: Address, now: () => number): Asking {
  const { public: client, endpoint } = chain;

  async function prepare(
    call: OperatorCall,
    { gasMin = 0n, gasMax }: GasBounds = {},
  ): Promise<Outgoing> {
    const bytes = bytesOf(call);
    const gas = await estimateGas(client, address, bytes);
    if (gasMax !== undefined && gas > gasMax) throw new TooMuchGas(gas, gasMax);
    return { ...bytes, gas: gas > gasMin ? gas : gasMin };
  }

  const refused = (call: OperatorCall) => (cause: unknown) => {
    throw refusal(cause, call, address, endpoint);
  };

  return {
    address,
    async simulate(call) {
      const { gas } = await prepare(call).catch(refused(call));
      return gas;
    },
    gasPrice: readGasPrice(chain, now),
    prepare,
    refused,
  };
}

/** Reads the price of gas, once for all who ask within `GAS_PRICE_MS`. */
function readGasPrice({ public: client, endpoint }: Chain, now: () => number) {
  let last: { at: number; price: Promise<bigint> } | null = null;
  return async () => {
    if (last && now() - last.at < GAS_PRICE_MS) return await last.price;
    const asked = { at: now(), price: readPrice(client).then(gasPriceOf) };
    last = asked;
    try {
      return await asked.price;
    } catch (error) {
      if (last === asked) last = null;
      throw asChainError(error, endpoint);
    }
  };
}

/** What the chain says of a payer and its payment, before anything is promised. */
import type { Address } from "viem";
import { blockNumber, type Chain } from "../../../chain/client.ts";
import { asChainError } from "../../../chain/refusal.ts";
import { transferCall } from "../../../chain/transfer_call.ts";
import { type TransferRefusal, transferRefusal } from "../../../chain/transfer_refusal.ts";
import { readUsdcBalance } from "../../../chain/usdc.ts";
import { KhachapuriError } from "../../../errors.ts";
import type { ExactPayment } from "../../../exact_payment.ts";
import { EXACT_GAS_MAX } from "../../../limits_of_exact.ts";
import type { ExactChain, ExactLook } from "../../money/exact/exact.ts";
import { costOf } from "../gas_worth.ts";
import type { Operator } from "../operator.ts";

export interface ExactChainOptions {
  chain: Chain;
  usdc: Address;
  operator: Pick<Operator, "simulate" | "gasPrice">;
  /** Of one whole coin that gas is paid in, USDC base units. */
  coinPrice: bigint;
}

export function openExactChain(
  { chain, usdc, operator, coinPrice }: ExactChainOptions,
): ExactChain {
  /** Whether the payment brings more than the gas of its settlement costs now. */
  async function isWorth(gas: bigint, { authorization: { value } }: ExactPayment) {
    return coinPrice === 0n || costOf(gas, await operator.gasPrice(), coinPrice) < value;
  }

  async function refusalOf(payment: ExactPayment): Promise<TransferRefusal | null> {
    const call = transferCall(usdc, payment.authorization, payment.signature);
    try {
      const gas = await operator.simulate(call);
      if (gas <= EXACT_GAS_MAX && await isWorth(gas, payment)) return null;
      const data = { reason: "TooMuchGas" };
      return transferRefusal(new KhachapuriError("chain_refused", "too much gas", { data }));
    } catch (error) {
      if (!(error instanceof KhachapuriError) || error.code !== "chain_refused") throw error;
      return transferRefusal(error);
    }
  }

  return {
    async hasCode(address) {
      try {
        const code = await chain.public.getCode({ address });
        return code !== undefined && code !== "0x";
      } catch (error) {
        throw asChainError(error, chain.endpoint);
      }
    },
    async look(payment): Promise<ExactLook> {
      const [refusal, balance, block] = await Promise.all([
        refusalOf(payment),
        readUsdcBalance(chain, usdc, payment.authorization.from),
        blockNumber(chain),
      ]);
      return { refusal, balance, block };
    },
  };
}

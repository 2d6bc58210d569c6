/** What an operator sends, and why the chain does not take it. */
import {
  type Address,
  BaseError,
  decodeFunctionData,
  encodeFunctionData,
  formatGwei,
  getContractError,
  type Hex,
} from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { ContractCall } from "../../chain/client.ts";
import { escrowCall } from "../../chain/escrow_call.ts";
import { GasTooDear } from "../../chain/outbox/fees.ts";
import { readFailure, wordFailure } from "../../chain/refusal.ts";
import { KhachapuriError } from "../../errors.ts";

/** A call of a contract's function, or plain bytes. */
export type OperatorCall = ContractCall | { to: Address; data: Hex };

export function bytesOf(call: OperatorCall): { to: Address; data: Hex } {
  if ("to" in call) return call;
  const { address: to, abi, functionName, args = [] } = call;
  return { to, data: encodeFunctionData({ abi, functionName, args }) };
}

/** Bytes as a call of the escrow, whose refusals have names and words; others as they are. */
export function namedCall({ to, data }: { to: Address; data: Hex }): OperatorCall {
  try {
    const { functionName, args = [] } = decodeFunctionData({ abi: escrowAbi, data });
    const call = escrowCall(to, functionName, args);
    return bytesOf(call).data === data ? call : { to, data };
  } catch {
    return { to, data };
  }
}

/** The same without its sentences for refusals: these are functions, which stay in a process. */
export function wordless(call: OperatorCall): OperatorCall {
  if ("to" in call) return call;
  const { address, abi, functionName, args = [] } = call;
  return { address, abi, functionName, args };
}

/** The call would use more gas than it is given: nothing was signed. */
export class TooMuchGas extends Error {
  constructor(readonly gas: bigint, readonly most: bigint) {
    super("too much gas");
  }
}

/** The escrow's own no stays `chain_refused`; that we lack gas is our trouble, not the payer's. */
export function refusal(
  cause: unknown,
  call: OperatorCall,
  sender: Address,
  endpoint: string,
): KhachapuriError {
  if (cause instanceof KhachapuriError) return cause;
  if (cause instanceof GasTooDear) return tooDear(cause);
  if (cause instanceof TooMuchGas) return tooMuch(cause);
  const failure = failureOf(cause, call, sender, endpoint);
  const error = wordFailure(failure);
  if (failure.kind === "reverted" || failure.kind === "no contract") return error;
  return new KhachapuriError("chain_unavailable", "the provider cannot settle right now", {
    cause: error,
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again"],
  });
}

function failureOf(cause: unknown, call: OperatorCall, sender: Address, endpoint: string) {
  if ("to" in call) {
    const error = cause instanceof BaseError ? cause : new BaseError(String(cause));
    return readFailure(error, endpoint);
  }
  const { abi, address, functionName, args = [], messages } = call;
  const about = { abi, address, functionName, args, sender };
  return readFailure(getContractError(cause as BaseError, about), endpoint, messages);
}

function tooDear({ price, cap }: GasTooDear): KhachapuriError {
  const message = `gas costs ${formatGwei(price)} gwei, and this may pay ${formatGwei(cap)}`;
  return new KhachapuriError("chain_unavailable", message, {
    retryAfterSeconds: 60,
    hints: ["nothing was sent; it is sent when gas is cheaper, or for more (provider.gas)"],
    data: { reason: "GasTooDear", gasPrice: String(price), cap: String(cap) },
  });
}

function tooMuch({ gas, most }: TooMuchGas): KhachapuriError {
  const message = `the call takes ${gas} gas, and ${most} is the most that is spent on it`;
  return new KhachapuriError("chain_refused", message, { data: { reason: "TooMuchGas" } });
}

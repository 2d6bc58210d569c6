/** A chain's no, in words: reverts become `chain_refused`, the rest `chain_unavailable`. */
import {
  type Address,
  BaseError,
  ContractFunctionExecutionError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  InsufficientFundsError,
  RpcRequestError,
  TimeoutError,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import { troubleOf } from "./endpoint.ts";

type Arguments = readonly unknown[];

/** A message for a custom error's arguments, in the order that the contract declares them. */
export type RefusalMessages = Readonly<Record<string, (args: Arguments) => string>>;

/** Why the chain did not do what was asked, as data to decide by. */
export type ChainFailure =
  /** The contract's no: its error's name, else the reason it gave, else nothing; and its words. */
  | { kind: "reverted"; name: string; message: string }
  | { kind: "no contract" }
  /** Who pays the gas has too little of the chain's own coin. */
  | { kind: "no gas coin"; account: Address | null }
  | { kind: "unavailable"; message: string };

/**
 * Reads what viem threw.
 * @param endpoint the RPC's origin; the full URL may hold an API key
 * @param messages sentences for custom errors; one without a sentence is shown with its arguments
 */
export function readFailure(
  thrown: BaseError,
  endpoint: string,
  messages: RefusalMessages = {},
): ChainFailure {
  const revert = thrown.walk((error) => error instanceof ContractFunctionRevertedError);
  if (revert instanceof ContractFunctionRevertedError) return readRevert(revert, messages);
  if (thrown.walk((error) => error instanceof ContractFunctionZeroDataError)) {
    return { kind: "no contract" };
  }
  if (!lacksGasCoin(thrown)) {
    const why = innermostWords(thrown, endpoint);
    return { kind: "unavailable", message: `the chain at ${endpoint} did not answer: ${why}` };
  }
  const account = thrown instanceof ContractFunctionExecutionError ? thrown.sender : undefined;
  return { kind: "no gas coin", account: account ?? null };
}

/**
 * Turns what viem threw into ours.
 * @param endpoint the RPC's origin; the full URL may hold an API key
 * @param messages sentences for custom errors; one without a sentence is shown with its arguments
 * @param sender who pays the gas, where viem was not told
 */
export function asChainError(
  thrown: unknown,
  endpoint: string,
  messages: RefusalMessages = {},
  sender?: Address,
): KhachapuriError {
  if (thrown instanceof KhachapuriError) return thrown;
  if (!(thrown instanceof BaseError)) throw thrown;
  // What the endpoints said together is worded already, below what viem makes of it.
  const worded = thrown.walk((error) => error instanceof KhachapuriError);
  if (worded instanceof KhachapuriError) return worded;
  return wordFailure(readFailure(thrown, endpoint, messages), sender);
}

/**
 * A failure in words. No `cause`: viem's errors carry the RPC's URL, and with it an API key.
 * @param sender who pays the gas, where viem was not told
 */
export function wordFailure(failure: ChainFailure, sender?: Address): KhachapuriError {
  switch (failure.kind) {
    case "reverted":
      return new KhachapuriError("chain_refused", failure.message, {
        data: { reason: failure.name },
      });
    case "no contract":
      return new KhachapuriError("chain_refused", "there is no such contract at that address", {
        hints: ["is this the right chain, and the right address?"],
        data: { reason: "NoContract" },
      });
    case "no gas coin": {
      const who = sender ?? failure.account ?? "the account";
      return new KhachapuriError("chain_refused", `${who} has too little ETH for the gas`, {
        hints: ["send it a little of the chain's own coin"],
        data: { reason: "InsufficientFunds" },
      });
    }
    case "unavailable":
      return new KhachapuriError("chain_unavailable", failure.message, {
        hints: ["is its URL right, in --rpc or `rpc` of config.json? else try again"],
      });
  }
}

function readRevert(
  revert: ContractFunctionRevertedError,
  messages: RefusalMessages,
): ChainFailure {
  const { data } = revert;
  if (data === undefined || data.errorName === "Error" || data.errorName === "Panic") {
    const said = revert.reason ?? (revert.signature ? `unknown error ${revert.signature}` : null);
    const message = `the contract refused: ${said ?? "no reason given"}`;
    return { kind: "reverted", name: said ?? "", message };
  }
  const name = data.errorName;
  const args = data.args ?? [];
  const sentence = Object.hasOwn(messages, name) ? messages[name]!(args) : plainArguments(revert);
  return { kind: "reverted", name, message: sentence ? `${name}: ${sentence}` : name };
}

/** A node's own words for it, which viem does not classify when they answer a raw transaction. */
function lacksGasCoin(error: BaseError): boolean {
  if (error.walk((inner) => inner instanceof InsufficientFundsError)) return true;
  return /insufficient funds/i.test((error.walk() as Partial<BaseError>).details ?? error.details);
}

/** `available 5, needed 7`: what a custom error carries, named as its declaration names it. */
function plainArguments({ data }: ContractFunctionRevertedError): string {
  const item = data?.abiItem;
  const inputs = item?.type === "error" ? item.inputs : [];
  const values = (data?.args ?? []) as Arguments;
  return values.map((value, i) => `${inputs[i]?.name || `argument ${i + 1}`} ${value}`).join(", ");
}

/** The first line of what went wrong at the bottom, with no URL but the endpoint. */
function innermostWords(error: BaseError, endpoint: string): string {
  const asked = (inner: unknown) =>
    inner instanceof RpcRequestError || inner instanceof TimeoutError;
  return troubleOf(error.walk(asked) ?? error.walk()).replace(/https?:\/\/\S+/g, endpoint);
}

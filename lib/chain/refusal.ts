/** A chain's no, in words: reverts become `chain_refused`, the rest `chain_unavailable`. */
import {
  type Address,
  BaseError,
  ContractFunctionExecutionError,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  InsufficientFundsError,
} from "viem";
import { KhachapuriError } from "../errors.ts";

type Arguments = readonly unknown[];

/** A message for a custom error's arguments, in the order that the contract declares them. */
export type RefusalMessages = Readonly<Record<string, (args: Arguments) => string>>;

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
  const revert = thrown.walk((error) => error instanceof ContractFunctionRevertedError);
  if (revert instanceof ContractFunctionRevertedError) return refusalOf(revert, messages);
  if (thrown.walk((error) => error instanceof ContractFunctionZeroDataError)) {
    return new KhachapuriError("chain_refused", "there is no such contract at that address", {
      hints: ["is this the right chain, and the right address?"],
      data: { reason: "NoContract" },
    });
  }
  if (lacksGasCoin(thrown)) {
    const about = thrown instanceof ContractFunctionExecutionError ? thrown.sender : undefined;
    const message = `${sender ?? about ?? "the account"} has too little ETH for the gas`;
    return new KhachapuriError("chain_refused", message, {
      hints: ["send it a little of the chain's own coin"],
      data: { reason: "InsufficientFunds" },
    });
  }
  return unavailable(thrown, endpoint);
}

function refusalOf(
  revert: ContractFunctionRevertedError,
  messages: RefusalMessages,
): KhachapuriError {
  const { data } = revert;
  if (data === undefined || data.errorName === "Error" || data.errorName === "Panic") {
    const said = revert.reason ?? (revert.signature ? `unknown error ${revert.signature}` : null);
    return new KhachapuriError(
      "chain_refused",
      `the contract refused: ${said ?? "no reason given"}`,
      {
        data: { reason: said ?? "" },
      },
    );
  }
  const name = data.errorName;
  const args = data.args ?? [];
  const sentence = Object.hasOwn(messages, name) ? messages[name]!(args) : plainArguments(revert);
  return new KhachapuriError("chain_refused", sentence ? `${name}: ${sentence}` : name, {
    data: { reason: name },
  });
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

/** No `cause`: viem's errors carry the RPC's URL, and with it an API key. */
function unavailable(error: BaseError, endpoint: string): KhachapuriError {
  const innermost = error.walk() as Partial<BaseError> & Error;
  const said = innermost.details || innermost.shortMessage || innermost.message;
  const why = String(said).split("\n")[0]!.replace(/https?:\/\/\S+/g, endpoint).slice(0, 200);
  return new KhachapuriError(
    "chain_unavailable",
    `the chain at ${endpoint} did not answer: ${why}`,
    {
      hints: ["check --rpc and try again"],
    },
  );
}

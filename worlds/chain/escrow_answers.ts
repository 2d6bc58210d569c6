/** A chain whose escrow and USDC answer from an object; there is nothing to connect or send to. */
import { type Address, domainSeparator, type PublicClient, zeroAddress } from "viem";
import type { Chain } from "../../lib/chain/client.ts";
import type { Allowance } from "../../lib/chain/escrow.ts";
import { RpcUsage } from "../../lib/chain/rpc_usage.ts";

/** What the chain says; a test may change it between two questions. */
export interface EscrowAnswers {
  /** Credits settled on every lane. */
  settled: bigint;
  /** Of every payer for every provider. */
  allowance: Allowance;
  /** Every payer's free balance. */
  balance?: bigint;
  /** Of every payer's next message. */
  nonce?: bigint;
  /** The newest block's time, Unix seconds; nobody asks where it is left out. */
  time?: bigint;
  /** Whether every signed transfer of USDC was mined. */
  isMined?: boolean;
}

/** An allowance of `credits` at one base unit each that the payer itself signs for. */
export function allowanceOf(credits: bigint, pricePerCredit = 1n): Allowance {
  return {
    pricePerCredit,
    credits,
    thawingCredits: 0n,
    thawEnd: 0n,
    signer: zeroAddress,
    epoch: 0,
    epochEnd: 0n,
  };
}

/** @returns a chain that fails whatever the client's payments don't ask for */
export function answeringChain(answers: EscrowAnswers, chainId = 31_337): Chain {
  const read = (functionName: string, address: Address): unknown => {
    switch (functionName) {
      case "consumed":
        return answers.settled;
      case "allowance":
        return answers.allowance;
      case "balanceOf":
        return answers.balance ?? 0n;
      case "nonces":
        return answers.nonce ?? 0n;
      case "authorizationState":
        return answers.isMined ?? false;
      case "THAWING_PERIOD":
        return 86_400n;
      case "name":
        return "USD Coin";
      case "version":
        return "2";
      case "DOMAIN_SEPARATOR":
        return domainSeparator({
          domain: { name: "USD Coin", version: "2", chainId, verifyingContract: address },
        });
    }
    throw new Error(`nobody answers ${functionName}`);
  };
  const fails = () => Promise.reject(new Error("nothing can be sent to this chain"));
  return {
    chainId,
    endpoint: "http://chain.test",
    get public() {
      const { time } = answers;
      if (time === undefined) throw new Error("this chain has no client");
      return { getBlock: () => Promise.resolve({ timestamp: time }) } as unknown as PublicClient;
    },
    send: fails,
    sendData: fails,
    deploy: fails,
    read: <T>({ functionName, address }: { functionName: string; address: Address }) =>
      Promise.resolve().then(() => read(functionName, address) as T),
    readMany: <T>(calls: readonly { functionName: string; address: Address }[]) =>
      Promise.resolve().then(() => calls.map((call) => read(call.functionName, call.address) as T)),
    usage: new RpcUsage(),
    endpoints: () => [],
    heads: () => Promise.resolve([]),
  };
}

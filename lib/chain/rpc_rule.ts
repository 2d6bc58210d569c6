/** How each JSON-RPC method is asked where there are several endpoints. */
import type { Hex } from "viem";
import type { RpcCall } from "./rpc_answer.ts";

export type Rule =
  /** Two must say the same. */
  | "agree"
  /** Two must say the same, and until both have it there is none. */
  | "all alike"
  /** A block by its tag: the lower one of two. */
  | "head"
  /** The number of the latest block. */
  | "height"
  | "least"
  | "most"
  /** Every endpoint gets it. */
  | "send"
  /** The first that answers is believed. */
  | "any";

/** Where a method's block stands among its parameters; absent there, it means the latest. */
const BLOCK_AT: Readonly<Record<string, number>> = {
  eth_call: 1,
  eth_getBalance: 1,
  eth_getCode: 1,
  eth_getStorageAt: 2,
  eth_getTransactionCount: 1,
};

export function ruleOf({ method, params = [] }: RpcCall): Rule {
  switch (method) {
    case "eth_call":
    case "eth_getBalance":
    case "eth_getCode":
    case "eth_getStorageAt":
      return params[BLOCK_AT[method]!] === "pending" ? "any" : "agree";
    case "eth_getLogs":
    case "eth_getBlockByHash":
      return "agree";
    case "eth_getBlockByNumber":
      return ruleOfBlock(params[0]);
    case "eth_getTransactionReceipt":
      return "all alike";
    case "eth_getTransactionCount":
      return ruleOfCount(params[1]);
    case "eth_blockNumber":
      return "height";
    case "eth_sendRawTransaction":
      return "send";
  }
  return "any";
}

function ruleOfBlock(block: unknown): Rule {
  if (block === "pending") return "any";
  return block === "latest" || block === "safe" || block === "finalized" ? "head" : "agree";
}

function ruleOfCount(block: unknown): Rule {
  if (block === "pending") return "most";
  return block === "latest" || block === undefined ? "least" : "agree";
}

/** Whether what is asked changes with the latest block. */
export function isMoving(call: RpcCall): boolean {
  if (call.method !== "eth_getLogs") return isLatest(blockOf(call));
  const { blockHash, fromBlock, toBlock } = filterOf(call);
  return blockHash === undefined && (isLatest(fromBlock) || isLatest(toBlock));
}

/** The same question with this block for the latest. */
export function pinned(call: RpcCall, block: Hex): RpcCall {
  if (call.method === "eth_getLogs") {
    const { fromBlock, toBlock, ...filter } = filterOf(call);
    const from = isLatest(fromBlock) ? block : fromBlock;
    return {
      ...call,
      params: [{ ...filter, fromBlock: from, toBlock: isLatest(toBlock) ? block : toBlock }],
    };
  }
  const params = [...call.params ?? []];
  params[BLOCK_AT[call.method]!] = block;
  return { ...call, params };
}

/** The question in a message, e.g. "eth_call at block 7". */
export function wordsFor(call: RpcCall): string {
  const block = call.method === "eth_getBlockByNumber" ? call.params?.[0] : blockOf(call);
  const isNumber = typeof block === "string" && block.startsWith("0x");
  return isNumber ? `${call.method} at block ${Number(block)}` : call.method;
}

function blockOf({ method, params = [] }: RpcCall): unknown {
  const at = BLOCK_AT[method];
  return at === undefined ? null : params[at];
}

function isLatest(block: unknown): boolean {
  return block === undefined || block === "latest";
}

interface LogFilter {
  blockHash?: unknown;
  fromBlock?: unknown;
  toBlock?: unknown;
}

function filterOf({ params = [] }: RpcCall): LogFilter {
  return (params[0] ?? {}) as LogFilter;
}

/**
 * What an endpoint's answer is worth, decided from the answer alone: whether it says anything of
 * the chain, and whether two endpoints have said the same.
 */
import { BaseError, RpcRequestError } from "viem";

export interface RpcCall {
  method: string;
  params?: readonly unknown[];
}

/** What an endpoint said to one call: a result, or the error of its JSON-RPC answer. */
export type RpcReply = { result: unknown } | { error: RpcError };

export interface RpcError {
  code: number;
  message: string;
  data?: unknown;
}

/** What a failure says of the endpoint, and of the chain. */
export type FailureKind =
  /** It is out of order, or has had enough of us: it is left alone for a while. */
  | "out of order"
  /** It does not do this question; another one may. */
  | "unable"
  /** It does not have that block, perhaps not yet. */
  | "behind"
  /** The chain's no: every endpoint would say it. */
  | "answer";

const QUERY_TOO_WIDE =
  /block range|range (is )?too|more than \d+|response size|result (set|window)/i;
const HAD_ENOUGH =
  /(rate|request|daily|monthly).{0,12}(limit|exceed)|too many requests|throttl|quota|capacity/i;
const NO_SUCH_BLOCK = anyOf(
  "(header|block).{0,40}(not (yet )?(found|known|available|indexed)|unknown|does not exist)",
  "block.{0,40}out ?of ?range",
  "(unknown|no such|future) (block|header)",
);
/** It has dropped what was true then. */
const NO_SUCH_STATE = anyOf(
  "(state|trie node|history).{0,40}(not (found|available)|unavailable|missing)",
  "missing trie node",
  "pruned",
);
const NO_ROOM = /out of gas|gas (required|limit|allowance|cap)|timed? ?out|timeout|aborted/i;
/** The usual codes for it: HTTP's own, and those of EIP-1474 and some hosted nodes. */
const HAD_ENOUGH_CODES = [429, -32_005, -32_007, -32_029];
/** Method not found, method not supported. */
const NO_METHOD_CODES = [-32_601, -32_004];
/** Invalid request, internal error. */
const UNABLE_CODES = [-32_600, -32_603];
const RESOURCE_NOT_FOUND = -32_001;
const EXECUTION_REVERTED = 3;

function anyOf(...patterns: readonly string[]): RegExp {
  return new RegExp(patterns.join("|"), "i");
}

/**
 * @param status of the HTTP answer that brought it
 */
export function judgeError({ code, message, data }: RpcError, status = 200): FailureKind {
  if (code === EXECUTION_REVERTED || isHex(data) || /revert/i.test(message)) return "answer";
  if (NO_METHOD_CODES.includes(code)) return "unable";
  if (status === 413 || QUERY_TOO_WIDE.test(message)) return "unable";
  if (status === 401 || status === 403 || status === 429 || status >= 500) return "out of order";
  if (HAD_ENOUGH_CODES.includes(code) || HAD_ENOUGH.test(message)) return "out of order";
  if (NO_SUCH_STATE.test(message)) return "unable";
  if (code === RESOURCE_NOT_FOUND || NO_SUCH_BLOCK.test(message)) return "behind";
  if (UNABLE_CODES.includes(code) || NO_ROOM.test(message)) return "unable";
  return "answer";
}

/** What viem's HTTP client, or we ourselves, threw at a request. */
export function judgeFailure(thrown: unknown): FailureKind {
  if (!(thrown instanceof RpcRequestError)) return isTooLarge(thrown) ? "unable" : "out of order";
  const { code, details, data, status } = thrown as RpcRequestError & { status?: number };
  return judgeError({ code, message: details, data }, status);
}

function isTooLarge(thrown: unknown): boolean {
  return thrown instanceof BaseError && (thrown as { status?: number }).status === 413;
}

/**
 * What was said, so that two endpoints that mean the same have the same text.
 * @throws BaseError for a result that is none of that method
 */
export function meaningOf({ method }: RpcCall, result: unknown): string {
  switch (method) {
    case "eth_call":
    case "eth_getCode":
    case "eth_getStorageAt":
      if (isHex(result)) return result.toLowerCase();
      break;
    case "eth_getBalance":
    case "eth_getTransactionCount":
    case "eth_blockNumber":
      if (isHex(result) && result.length > 2) return String(BigInt(result));
      break;
    case "eth_getBlockByNumber":
    case "eth_getBlockByHash":
      if (result === null) return "none";
      if (isBlock(result)) return meaningOfBlock(result);
      break;
    case "eth_getTransactionReceipt":
      if (result === null) return "none";
      if (isReceipt(result)) return meaningOfReceipt(result);
      break;
    case "eth_getLogs":
      if (Array.isArray(result) && result.every(isLog)) return meaningOfLogs(result);
      break;
    default:
      return JSON.stringify(result);
  }
  throw new BaseError(`the answer to ${method} is none`);
}

/** Endpoints word a refusal each in its own way; what the contract said is the same. */
export function meaningOfError({ data }: RpcError): string {
  return `refused ${isHex(data) ? data.toLowerCase() : ""}`;
}

export interface BlockAnswer {
  number: string;
  hash: string;
  timestamp: string;
  parentHash?: string;
  baseFeePerGas?: string;
}

interface LogAnswer {
  address: string;
  topics: readonly string[];
  data: string;
  blockNumber: string;
  blockHash: string;
  transactionHash: string;
  logIndex: string;
}

interface ReceiptAnswer {
  transactionHash: string;
  blockHash: string;
  blockNumber: string;
  status?: string;
  gasUsed?: string;
  effectiveGasPrice?: string;
  contractAddress?: string | null;
  logs: readonly LogAnswer[];
}

export function isBlock(value: unknown): value is BlockAnswer {
  const { number, hash, timestamp } = fieldsOf(value);
  return isHex(number) && isHex(hash) && isHex(timestamp);
}

function isReceipt(value: unknown): value is ReceiptAnswer {
  const { transactionHash, blockHash, blockNumber, logs } = fieldsOf(value);
  return [transactionHash, blockHash, blockNumber].every(isHex) && Array.isArray(logs) &&
    logs.every(isLog);
}

function isLog(value: unknown): value is LogAnswer {
  const { topics, address, data, blockNumber, blockHash, ...place } = fieldsOf(value);
  const { transactionHash, logIndex } = place;
  return [address, data, blockNumber, blockHash, transactionHash, logIndex].every(isHex) &&
    Array.isArray(topics) && topics.every(isHex);
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

function isHex(value: unknown): value is string {
  return typeof value === "string" && /^0x[0-9a-f]*$/i.test(value);
}

/** Its hash is of all that stands in a block, but whoever tells it need not have looked. */
function meaningOfBlock({ number, hash, timestamp, parentHash, baseFeePerGas }: BlockAnswer) {
  return [number, hash, timestamp, parentHash ?? "", baseFeePerGas ?? ""].join(" ").toLowerCase();
}

function meaningOfReceipt(receipt: ReceiptAnswer): string {
  const { transactionHash, blockHash, blockNumber, contractAddress, logs } = receipt;
  const { status, gasUsed, effectiveGasPrice } = receipt;
  const place = [transactionHash, blockHash, blockNumber, contractAddress ?? ""];
  const outcome = [status, gasUsed, effectiveGasPrice].map((value) => value ?? "");
  return `${[...place, ...outcome].join(" ").toLowerCase()} ${meaningOfLogs(logs)}`;
}

/** By their place in the chain: in what order a node lists them is its own affair. */
function meaningOfLogs(logs: readonly LogAnswer[]): string {
  const said = logs.map((log) => {
    const { address, topics, data, blockNumber, blockHash, transactionHash, logIndex } = log;
    const place = [BigInt(blockNumber), BigInt(logIndex), blockHash, transactionHash];
    return [...place, address, topics, data].join(" ").toLowerCase();
  });
  return said.sort().join("\n");
}

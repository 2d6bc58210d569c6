/**
 * A JSON-RPC node on loopback that says of a small chain what a test wants: truths, lies, old news,
 * or nothing. Several of them can be nodes of one chain.
 */
import { type Hex, keccak256, numberToHex, pad } from "viem";

export interface RpcNode extends AsyncDisposable {
  readonly url: string;
  readonly origin: string;
  chainId: number;
  /** Its newest block. */
  head: number;
  /** What a contract answers as of a block. */
  valueAt: (block: number) => Hex;
  /** When a block was made, Unix seconds. */
  timeOf: (block: number) => number;
  /** Tells its blocks from those of another chain. */
  fork: string;
  /** Looked at first, with all calls of a request: answers in the node's place, or not. */
  instead: (calls: NodeCalls) => Response | null | Promise<Response | null>;
  /** What it does with a transaction. */
  take: (raw: Hex) => Hex;
  /** Transactions that it knows a receipt for, with their blocks. */
  readonly mined: Map<Hex, number>;
  counts: { latest: number; pending: number };
  /** Every method that it was asked for, also within batches. */
  readonly asked: string[];
  /** HTTP requests, and the longest of their bodies. */
  readonly requests: () => number;
  readonly longest: () => number;
  /** Ends it; its port refuses connections until `start`. */
  stop(): Promise<void>;
  start(): void;
}

/** One call, or those of a batch. */
export type NodeCalls = readonly [NodeCall, ...NodeCall[]];

export interface NodeCall {
  id: number;
  method: string;
  params: readonly unknown[];
}

/** What a node says when it does not answer a call. */
export class NodeError extends Error {
  constructor(readonly code: number, message: string, readonly data?: Hex) {
    super(message);
  }
}

export const NODE_CHAIN_ID = 31_337;
const BLOCK_SECONDS = 2;
const BEGAN = Math.floor(Date.now() / 1_000) - 10 * BLOCK_SECONDS;

/** Starts a node at block 10 whose contract answers the number of the block that it is asked at. */
export function startRpcNode(): RpcNode {
  let requests = 0;
  let longest = 0;
  let server: Deno.HttpServer<Deno.NetAddr> | null = null;

  function start(port = Number(new URL(node.url).port)): void {
    server = Deno.serve({ hostname: "127.0.0.1", port, onListen: () => {} }, handle);
  }

  async function handle(request: Request): Promise<Response> {
    const text = await request.text();
    requests += 1;
    longest = Math.max(longest, text.length);
    const body = JSON.parse(text) as NodeCall | NodeCall[];
    const calls = [body].flat() as [NodeCall, ...NodeCall[]];
    node.asked.push(...calls.map(({ method }) => method));
    const instead = await node.instead(calls);
    if (instead) return instead;
    const replies = calls.map((call) => ({ jsonrpc: "2.0", id: call.id, ...replyOf(node, call) }));
    return Response.json(Array.isArray(body) ? replies : replies[0]);
  }

  const node: RpcNode = {
    url: "",
    origin: "",
    chainId: NODE_CHAIN_ID,
    head: 10,
    valueAt: (block) => pad(numberToHex(block)),
    timeOf: (block) => BEGAN + block * BLOCK_SECONDS,
    fork: "",
    instead: () => null,
    take: (raw) => keccak256(raw),
    mined: new Map(),
    counts: { latest: 0, pending: 0 },
    asked: [],
    requests: () => requests,
    longest: () => longest,
    async stop() {
      await server?.shutdown();
      server = null;
    },
    start: () => start(),
    [Symbol.asyncDispose]: () => node.stop(),
  };
  start(0);
  const origin = `http://127.0.0.1:${server!.addr.port}`;
  return Object.assign(node, { origin, url: `${origin}/v2/secret-key` });
}

function replyOf(node: RpcNode, call: NodeCall): object {
  try {
    return { result: answerOf(node, call) };
  } catch (error) {
    const { code, message, data } = error as NodeError;
    return { error: { code, message, ...(data ? { data } : {}) } };
  }
}

function answerOf(node: RpcNode, { method, params }: NodeCall): unknown {
  switch (method) {
    case "eth_chainId":
      return numberToHex(node.chainId);
    case "eth_blockNumber":
      return numberToHex(node.head);
    case "eth_getBlockByNumber":
      return blockJson(node, params[0]);
    case "eth_getCode":
      return "0x";
    case "eth_call":
      return node.valueAt(heightOf(node, params[1]));
    case "eth_getLogs":
      return logsJson(node, params[0] as { fromBlock: Hex; toBlock: Hex });
    case "eth_getTransactionCount":
      return numberToHex(node.counts[params[1] as "latest" | "pending"]);
    case "eth_getTransactionReceipt":
      return receiptJson(node, params[0] as Hex);
    case "eth_sendRawTransaction":
      return node.take(params[0] as Hex);
  }
  throw new NodeError(-32_601, `the method ${method} does not exist`);
}

function heightOf({ head }: RpcNode, tag: unknown): number {
  if (tag === "latest" || tag === undefined) return head;
  const height = Number(tag);
  if (height > head) throw new NodeError(-32_000, "header not found");
  return height;
}

function hashOf({ fork }: RpcNode, height: number): Hex {
  return keccak256(new TextEncoder().encode(`${fork}${height}`));
}

function blockJson(node: RpcNode, tag: unknown): object | null {
  const height = typeof tag === "string" && tag.startsWith("0x") ? Number(tag) : node.head;
  if (height > node.head) return null;
  return {
    number: numberToHex(height),
    hash: hashOf(node, height),
    parentHash: hashOf(node, height - 1),
    timestamp: numberToHex(node.timeOf(height)),
    baseFeePerGas: "0x1",
    transactions: [],
  };
}

/** One log a block; a node tells of those that it has, and does not say that more are to come. */
function logsJson(node: RpcNode, { fromBlock, toBlock }: { fromBlock: Hex; toBlock: Hex }) {
  const to = Math.min(node.head, Number(toBlock));
  return Array.from({ length: Math.max(0, to - Number(fromBlock) + 1) }, (_, index) => {
    const height = Number(fromBlock) + index;
    return {
      address: `0x${"e5".repeat(20)}`,
      topics: [pad("0x1")],
      data: node.valueAt(height),
      blockNumber: numberToHex(height),
      blockHash: hashOf(node, height),
      transactionHash: keccak256(hashOf(node, height)),
      transactionIndex: "0x0",
      logIndex: "0x0",
      removed: false,
    };
  });
}

function receiptJson(node: RpcNode, transactionHash: Hex): object | null {
  const height = node.mined.get(transactionHash);
  if (height === undefined) return null;
  return {
    transactionHash,
    blockHash: hashOf(node, height),
    blockNumber: numberToHex(height),
    status: "0x1",
    gasUsed: "0x5208",
    effectiveGasPrice: "0x1",
    logs: [],
  };
}

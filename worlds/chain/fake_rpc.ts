/** JSON-RPC answers of a node on a chain in memory, as of the newest block that it shows. */
import { type Address, type Hex, keccak256, numberToHex, toHex, zeroAddress } from "viem";
import { escrowCode } from "../../lib/chain/escrow_code.ts";
import { MULTICALL3 } from "../../lib/chain/multicall.ts";
import { type Block, type Blocks, nonceSlot } from "./fake_blocks.ts";
import { FAKE_TERMS, FakeRevert, isSame } from "./fake_escrow.ts";
import type { FakeEscrow, Site } from "./fake_messages.ts";
import type { Transaction } from "./fake_pool.ts";
import { Draft, type Store } from "./fake_state.ts";

export interface Request {
  method: string;
  params?: readonly unknown[];
}

/** What a node knows. */
export interface Node {
  readonly site: Site;
  readonly blocks: Blocks;
  readonly escrow: FakeEscrow;
  readonly mempool: readonly Transaction[];
  /** Whether there is a Multicall3. */
  readonly hasMulticall: boolean;
  readonly blockGas: bigint;
  /** What is paid beside the base fee for a unit of gas, wei. */
  readonly tip: bigint;
  /** Wei of an account. */
  coinIn(state: Store, account: Address): bigint;
  /** What a unit of gas costs at a time, wei. */
  baseFee(time: bigint): bigint;
  /** When a block would be made now, Unix seconds. */
  pendingTime(): bigint;
  /** Takes a signed transaction in. @throws Error with a node's words when it does not */
  arrive(raw: Hex): Promise<Hex>;
}

interface Filter {
  address?: Address;
  fromBlock?: Hex;
  toBlock?: Hex;
  topics?: (Hex | readonly Hex[] | null)[];
}

interface Call {
  from?: Address;
  to?: Address;
  data?: Hex;
}

/** Blocks below the newest one that count as final. */
const FINAL_DEPTH = 3n;

/** An answer as a node words it when it does not. */
export function rpcError(message: string): Error & { code: number } {
  return Object.assign(new Error(message), { code: -32000, details: message });
}

/** Answers as of block `top`, above which this node has seen nothing. */
export async function answer(node: Node, top: bigint, request: Request): Promise<unknown> {
  const { method, params = [] } = request;
  const shown = node.blocks.list[Number(top)]!;
  switch (method) {
    case "eth_chainId":
      return numberToHex(node.site.chainId);
    case "eth_blockNumber":
      return numberToHex(top);
    case "eth_getBlockByNumber":
      return blockJson(node, blockAt(node, top, params[0]));
    case "eth_maxPriorityFeePerGas":
      return numberToHex(node.tip);
    case "eth_gasPrice":
      return numberToHex(shown.baseFee + node.tip);
    case "eth_feeHistory":
      return feeHistoryJson(node, shown);
    case "eth_getTransactionCount":
      return numberToHex(nonceOf(node, top, params[0] as Address, params[1] === "pending"));
    case "eth_getBalance":
      return numberToHex(node.coinIn(node.blocks.state(Number(top)), params[0] as Address));
    case "eth_getCode":
      return codeAt(node, params[0] as Address);
    case "eth_sendRawTransaction":
      return await node.arrive(params[0] as Hex);
    case "eth_getTransactionByHash":
      return transactionJson(node, top, params[0] as Hex);
    case "eth_getTransactionReceipt":
      return receiptJson(node, top, params[0] as Hex);
    case "eth_getLogs":
      return logsJson(node, top, params[0] as Filter);
    case "eth_estimateGas":
      return await told(async () => await estimate(node, top, params[0] as Call));
    case "eth_call": {
      const block = blockAt(node, top, params[1]);
      if (!block) throw rpcError("header not found");
      return await told(async () => await call(node, block, params[0] as Call));
    }
  }
  throw rpcError(`${method} is not known here`);
}

/** A revert in a node's words. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FakeRevert)) throw error;
    throw Object.assign(rpcError("execution reverted"), { code: 3, data: error.data });
  }
}

function blockAt({ blocks: { list } }: Node, top: bigint, tag: unknown): Block | null {
  if (tag === "latest" || tag === "pending" || tag === undefined) return list[Number(top)]!;
  if (tag === "earliest") return list[0]!;
  if (tag === "safe" || tag === "finalized") {
    return list[Number(top > FINAL_DEPTH ? top - FINAL_DEPTH : 0n)]!;
  }
  const number = BigInt(tag as Hex);
  return number <= top ? list[Number(number)] ?? null : null;
}

function nonceOf({ blocks, mempool }: Node, top: bigint, owner: Address, withPool: boolean) {
  let next = blocks.state(Number(top)).get(nonceSlot(owner));
  const isHeld = () => mempool.some(({ from, nonce }) => isSame(from, owner) && nonce === next);
  while (withPool && isHeld()) next += 1;
  return next;
}

/** Of the newest block alone, and what the next one will ask for. */
function feeHistoryJson(node: Node, { number, baseFee, mined }: Block) {
  const used = mined.reduce((sum, { gasUsed }) => sum + gasUsed, 0n);
  const next = node.baseFee(node.pendingTime());
  return {
    oldestBlock: numberToHex(number),
    baseFeePerGas: [numberToHex(baseFee), numberToHex(next)],
    gasUsedRatio: [Number(used) / Number(node.blockGas)],
    reward: [[numberToHex(node.tip)]],
  };
}

function codeAt({ site, hasMulticall }: Node, address: Address): Hex {
  if (isSame(address, MULTICALL3)) return hasMulticall ? "0x01" : "0x";
  return isSame(address, site.escrow) ? escrowCode(FAKE_TERMS, site) : "0x";
}

async function estimate(node: Node, top: bigint, asked: Call) {
  const { blocks, escrow } = node;
  const { from = zeroAddress, to = null, data = "0x" } = asked;
  await escrow.prepare({ to, data });
  const draft = new Draft(blocks.state(Number(top)));
  return numberToHex(escrow.run(draft, { from, to, data, time: node.pendingTime() }).gas);
}

async function call({ blocks, escrow, hasMulticall }: Node, block: Block, asked: Call) {
  const { from = zeroAddress, to = null, data = "0x" } = asked;
  if (to !== null && isSame(to, MULTICALL3) && !hasMulticall) return "0x";
  await escrow.prepare({ to, data });
  const draft = new Draft(blocks.state(Number(block.number)));
  return escrow.call(draft, { from, to, data, time: block.timestamp });
}

function blockJson({ blockGas }: Node, block: Block | null) {
  if (!block) return null;
  const { number, hash, parentHash, timestamp, baseFee, mined } = block;
  return {
    number: numberToHex(number),
    hash,
    parentHash,
    timestamp: numberToHex(timestamp),
    baseFeePerGas: numberToHex(baseFee),
    gasLimit: numberToHex(blockGas),
    gasUsed: numberToHex(mined.reduce((sum, { gasUsed }) => sum + gasUsed, 0n)),
    transactions: mined.map(({ transaction }) => transaction.hash),
  };
}

function transactionJson({ blocks, mempool, site }: Node, top: bigint, hash: Hex) {
  const found = blocks.find(hash, top);
  const transaction = found
    ? found.block.mined[found.index]!.transaction
    : mempool.find((held) => held.hash === hash);
  if (!transaction) return null;
  const { from, to, nonce, data, gas, fee, tip, value } = transaction;
  return {
    type: "0x2",
    chainId: numberToHex(site.chainId),
    ...{ hash, from, to, input: data, nonce: numberToHex(nonce), value: numberToHex(value) },
    ...{ gas: numberToHex(gas), maxFeePerGas: numberToHex(fee) },
    maxPriorityFeePerGas: numberToHex(tip),
    blockHash: found?.block.hash ?? null,
    blockNumber: found ? numberToHex(found.block.number) : null,
    transactionIndex: found ? numberToHex(found.index) : null,
  };
}

function receiptJson({ blocks, site }: Node, top: bigint, hash: Hex) {
  const found = blocks.find(hash, top);
  if (!found) return null;
  const { block, index } = found;
  const { transaction: { from, to }, status, gasUsed, price } = block.mined[index]!;
  const before = block.mined.slice(0, index).reduce((sum, { gasUsed }) => sum + gasUsed, 0n);
  return {
    status,
    ...{ type: "0x2", transactionHash: hash, from, to },
    transactionIndex: numberToHex(index),
    blockHash: block.hash,
    blockNumber: numberToHex(block.number),
    gasUsed: numberToHex(gasUsed),
    cumulativeGasUsed: numberToHex(before + gasUsed),
    effectiveGasPrice: numberToHex(price),
    logs: logsOf(site, block).filter(({ transactionHash }) => transactionHash === hash),
  };
}

function logsJson({ blocks, site }: Node, top: bigint, filter: Filter) {
  const { address, fromBlock = "0x0", toBlock = numberToHex(top), topics = [] } = filter;
  if (address && !isSame(address, site.escrow)) return [];
  const last = BigInt(toBlock) < top ? BigInt(toBlock) : top;
  const asked = blocks.list.slice(Number(fromBlock), Number(last) + 1);
  return asked.flatMap((block) => logsOf(site, block)).filter((log) =>
    topics.every((wanted, place) =>
      wanted === null || [wanted].flat().some((topic) => isSameWord(topic, log.topics[place]))
    )
  );
}

function isSameWord(one: Hex, other: Hex | undefined): boolean {
  return one.toLowerCase() === other?.toLowerCase();
}

function logsOf({ escrow }: Site, { number, hash, mined }: Block) {
  let logIndex = 0;
  return mined.flatMap(({ transaction, logs }, index) =>
    logs.map(({ topics, data }) => ({
      address: escrow,
      ...{ topics, data },
      blockNumber: numberToHex(number),
      blockHash: hash,
      transactionHash: transaction.hash,
      transactionIndex: numberToHex(index),
      logIndex: numberToHex(logIndex++),
      removed: false,
    }))
  );
}

/** What somebody did whose transactions nobody here has signed. */
export function unsigned(from: Address, to: Address, salt: number): Transaction {
  const rest = { nonce: 0, data: "0x", value: 0n, gas: 0n, fee: 0n, tip: 0n } as const;
  return { raw: "0x", hash: keccak256(toHex(`unsigned ${salt}`)), from, to, ...rest };
}

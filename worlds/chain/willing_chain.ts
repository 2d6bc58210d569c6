/**
 * A chain that mines every batch of settlements as it comes and checks nothing, in as little time
 * as can be: who measures how long a provider keeps its event loop shares that loop with the chain.
 */
import {
  createPublicClient,
  custom,
  defineChain,
  encodeEventTopics,
  type Hex,
  keccak256,
  numberToHex,
  toFunctionSelector,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Chain } from "../../lib/chain/client.ts";
import { NEVER } from "../../lib/chain/escrow_provider.ts";
import { createManyReader, MULTICALL3 } from "../../lib/chain/multicall.ts";
import { encodeCharges } from "../../lib/provider/settlement/charge_data.ts";
import { FAKE_ESCROW } from "./fake_chain.ts";
import { RpcUsage } from "../../lib/chain/rpc_usage.ts";

const WORD = 64;
/** A row in call data, whose signature has 65 bytes: words without its offset. */
const ROW_WORDS = 15;
const CONSUME = encodeCharges([]).slice(2, 10);
const CONSUMED = toFunctionSelector("consumed(address,address,bytes32)").slice(2);
const [CHARGED] = encodeEventTopics({ abi: escrowAbi, eventName: "Charged" });

interface Batch {
  readonly hash: Hex;
  readonly block: bigint;
  readonly logs: readonly object[];
}

/** A hash says of which fork the block is. */
const FORK = 10n ** 9n;
const WIDE = { size: 32 };

const turn = () => new Promise((resolve) => setImmediate(resolve));
const word = (value: number | bigint) => value.toString(16).padStart(WORD, "0");

export interface WillingChain {
  readonly chain: Chain;
  /** Rows that were settled. */
  rows(): number;
  /** The last blocks never were; what they held is mined again at the same height. */
  reorganise(depth: bigint): void;
}

/** @param settled what the escrow says of each lane's counter when it is asked */
export function willingChain(settled: bigint): WillingChain {
  const batches: Batch[] = [];
  let [head, rows, forks] = [100n, 0, 0n];
  const forkOf = new Map<bigint, bigint>();

  const hashOf = (block: bigint): Hex =>
    numberToHex((forkOf.get(block) ?? 0n) * FORK + block, WIDE);

  function header(block: bigint): object {
    return {
      number: numberToHex(block),
      hash: hashOf(block),
      parentHash: hashOf(block - 1n),
      timestamp: numberToHex(Math.floor(Date.now() / 1_000)),
      gasLimit: "0x1c9c380",
      baseFeePerGas: "0x1",
      transactions: [],
    };
  }

  async function take(raw: Hex): Promise<Hex> {
    const hash = keccak256(raw);
    await turn();
    if (batches.some((batch) => batch.hash === hash)) return hash;
    head += 1n;
    const logs = logsOf(raw, { blockNumber: numberToHex(head), transactionHash: hash });
    rows += logs.length;
    batches.push({ hash, block: head, logs });
    return hash;
  }

  const placed = ({ block, logs }: Batch) =>
    logs.map((log) => ({ ...log, blockHash: hashOf(block) }));

  function receipt(hash: Hex): object | null {
    const batch = batches.find((one) => one.hash === hash);
    return batch === undefined ? null : {
      transactionHash: hash,
      blockNumber: numberToHex(batch.block),
      blockHash: hashOf(batch.block),
      status: "0x1",
      gasUsed: numberToHex(25_000 * batch.logs.length),
      logs: placed(batch),
    };
  }

  function answer({ method, params = [] }: { method: string; params?: unknown }): unknown {
    const [first] = params as [never];
    switch (method) {
      case "eth_blockNumber":
        return numberToHex(head);
      case "eth_getBlockByNumber":
        return header((first as string).startsWith("0x") ? BigInt(first) : head);
      case "eth_getLogs": {
        const { fromBlock, toBlock } = first as { fromBlock: Hex; toBlock: Hex };
        return batches.filter(({ block }) => block >= BigInt(fromBlock) && block <= BigInt(toBlock))
          .flatMap(placed);
      }
      case "eth_feeHistory":
        return { oldestBlock: numberToHex(head), baseFeePerGas: ["0x1", "0x1"], gasUsedRatio: [0] };
      case "eth_maxPriorityFeePerGas":
        return "0x1";
      case "eth_estimateGas":
        return "0x2dc6c0";
      case "eth_getTransactionCount":
        return numberToHex(batches.length);
      case "eth_getBalance":
        return numberToHex(10n ** 18n);
      case "eth_getTransactionByHash":
        return { hash: first };
      case "eth_getTransactionReceipt":
        return receipt(first);
      case "eth_sendRawTransaction":
        return take(first);
      case "eth_getCode":
        return "0x01";
      case "eth_call":
        return called(first, settled);
    }
    throw new Error(`nobody answers ${method}`);
  }

  /** Question and answer have turns of their own, as through a socket. */
  async function request(asked: { method: string; params?: unknown }): Promise<unknown> {
    await turn();
    const told = await answer(asked);
    await turn();
    return told;
  }

  const client = createPublicClient({
    chain: defineChain({
      id: 31_337,
      name: "willing",
      nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
      rpcUrls: { default: { http: [] } },
    }),
    transport: custom({ request }, { retryCount: 0 }),
  });
  const unused = () => Promise.reject(new Error("a provider sends through its operator"));
  return {
    chain: {
      chainId: 31_337,
      endpoint: "willing",
      public: client as unknown as Chain["public"],
      send: unused,
      sendData: unused,
      deploy: unused,
      read: unused,
      readMany: createManyReader({ request, callMany: unused }, "willing"),
      heads: () => Promise.resolve([]),
      usage: new RpcUsage(),
      endpoints: () => [],
    },
    rows: () => rows,
    reorganise(depth) {
      forks += 1n;
      for (let block = head - depth + 1n; block <= head; block++) forkOf.set(block, forks);
    },
  };
}

/** The events that a signed batch brings; its words are where `encodeCharges` puts them. */
function logsOf(raw: Hex, place: object): object[] {
  const at = raw.indexOf(CONSUME) + CONSUME.length;
  const wordAt = (index: number) => raw.slice(at + index * WORD, at + (index + 1) * WORD);
  const count = Number.parseInt(wordAt(1), 16);
  return Array.from({ length: count }, (_, n) => {
    const row = 2 + count + n * ROW_WORDS;
    const [credits, price] = [wordAt(row + 1), wordAt(row + 2)];
    const [payer, provider, lane] = [wordAt(row + 3), wordAt(row + 4), wordAt(row + 5)];
    return {
      address: FAKE_ESCROW,
      topics: [CHARGED, `0x${payer}`, `0x${provider}`, `0x${lane}`],
      data: `0x${credits}${credits}${price}`,
      transactionIndex: "0x0",
      logIndex: numberToHex(n),
      removed: false,
      ...place,
    };
  });
}

/** What contracts say: everybody allows much, the operator has no limits. */
function called({ to, data }: { to: string; data: string }, settled: bigint): Hex {
  if (to !== MULTICALL3) return `0x${word(NEVER)}${word(0)}${word(0)}`;
  const at = 2 + 8;
  const count = Number.parseInt(data.slice(at + WORD, at + 2 * WORD), 16);
  const selectorAt = at + (2 + count + 4) * WORD;
  const isCounter = data.slice(selectorAt, selectorAt + 8) === CONSUMED;
  const allowance = [10n ** 9n, 10n ** 9n, 0n, 0n, 0n, 0n, 0n];
  const result = (isCounter ? [settled] : allowance).map(word).join("");
  const one = word(1) + word(64) + word(result.length / 2) + result;
  const offsets = Array.from({ length: count }, (_, n) => word(count * 32 + n * one.length / 2));
  return `0x${word(32)}${word(count)}${offsets.join("")}${one.repeat(count)}`;
}

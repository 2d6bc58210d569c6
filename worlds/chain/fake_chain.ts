/**
 * The escrow on a chain in memory: mines at once or when told, forks, forgets, lies and falls
 * silent as a test wants. It answers the JSON-RPC that a provider asks, through a real viem client.
 */
import {
  type Address,
  createPublicClient,
  custom,
  decodeFunctionData,
  defineChain,
  encodeEventTopics,
  encodeFunctionResult,
  type Hex,
  keccak256,
  multicall3Abi,
  numberToHex,
  parseTransaction,
  zeroHash,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import type { Chain } from "../../lib/chain/client.ts";
import { NEVER } from "../../lib/chain/escrow_provider.ts";
import { createManyReader, MULTICALL3 } from "../../lib/chain/multicall.ts";
import {
  copy,
  createEscrow,
  dataOf,
  epochsOf,
  FAKE_ESCROW,
  type FakeAllowance,
  type FakeLog,
  type FakeOperator,
  none,
  read,
  selectorOf,
  type State,
} from "./fake_escrow.ts";

export { FAKE_ESCROW, type FakeAllowance };

const CHAIN_ID = 31337;
interface Transaction {
  raw: Hex;
  hash: Hex;
  nonce: number;
  data: Hex;
  fee: bigint;
}

interface Block {
  number: bigint;
  hash: Hex;
  parentHash: Hex;
  /** Unix seconds. */
  timestamp: bigint;
  state: State;
  logs: FakeLog[];
  transaction: Transaction | null;
  status: "0x1" | "0x0";
}

type Request = { method: string; params?: readonly unknown[] };
type Target = { to: Address; data: Hex };

export interface FakeChain {
  readonly chain: Chain;
  readonly provider: Address;
  /** The chain's clock, Unix seconds. */
  now: bigint;
  /** Every request passes here first: throw to fail it, return to answer in its place. */
  intercept: ((request: Request) => Promise<unknown>) | null;
  /** Whether a broadcast transaction is mined at once; else with `mine`. */
  isMining: boolean;
  /** What has arrived and is not mined. */
  readonly mempool: Transaction[];
  allowanceOf(payer: Address): FakeAllowance;
  consumed(payer: Address, lane: Hex): bigint;
  allow(payer: Address, pricePerCredit: bigint, credits: bigint): void;
  revoke(payer: Address, credits: bigint): void;
  reclaim(payer: Address): void;
  limitOperator(operator: FakeOperator): void;
  /** The payer's permits of the epoch in force are void from `epochEnd` on, Unix seconds. */
  bumpEpoch(payer: Address, epochEnd: bigint): void;
  /** Mines what is in the mempool, in nonce order, one block each; or one empty block. */
  mine(): Promise<void>;
  /** A foreign wallet with the operator's key uses a nonce. */
  stealNonce(): void;
  /** The last `depth` blocks never were; their transactions are mined again or lost. */
  reorganise(depth: number, keepsTransactions: boolean): Promise<void>;
  nonce(): number;
  height(): bigint;
}

export function fakeChain(provider: Address): FakeChain {
  const execute = createEscrow(CHAIN_ID, () => fake.now);
  const blocks: Block[] = [];
  const mempool: Transaction[] = [];
  let salt = 0;

  function head(): Block {
    return blocks.at(-1)!;
  }

  function append(state: State, rest: Partial<Block> = {}): void {
    const number = BigInt(blocks.length);
    const hash = keccak256(numberToHex((BigInt(salt) << 64n) + number));
    const parentHash = blocks.at(-1)?.hash ?? zeroHash;
    const block = { number, hash, parentHash, timestamp: fake.now, state };
    blocks.push({ ...block, logs: [], transaction: null, status: "0x1", ...rest });
  }

  async function mineOne(transaction: Transaction): Promise<void> {
    const state = copy(head().state);
    const logs = await execute(state, transaction.data);
    const isReverted = typeof logs === "string";
    const after = isReverted ? copy(head().state) : state;
    after.nonce += 1;
    const status = isReverted ? "0x0" : "0x1";
    append(after, { transaction, status, logs: isReverted ? [] : logs });
  }

  /** Everything that is next in line; several of one nonce: the dearest. */
  async function mineReady(): Promise<number> {
    let mined = 0;
    for (;; mined++) {
      const ready = mempool.filter(({ nonce }) => nonce === head().state.nonce);
      const [best] = ready.sort((a, b) => a.fee < b.fee ? 1 : -1);
      if (!best) return mined;
      for (const each of ready) mempool.splice(mempool.indexOf(each), 1);
      await mineOne(best);
    }
  }

  function payerAction(
    eventName: string,
    payer: Address,
    change: FakeAllowance,
    told = change,
  ): void {
    const state = copy(head().state);
    state.allowances.set(payer, change);
    const topics = encodeEventTopics({
      abi: escrowAbi,
      eventName: eventName as "Allowed",
      args: { payer, provider },
    }) as Hex[];
    append(state, { logs: [{ eventName, topics, data: dataOf(eventName, told) }] });
  }

  const fake: FakeChain = {
    chain: null as unknown as Chain,
    provider,
    now: 1n,
    intercept: null,
    isMining: true,
    mempool,
    allowanceOf(payer) {
      const held = head().state.allowances.get(payer) ?? none();
      return { ...held, ...epochsOf(held, fake.now) };
    },
    consumed: (payer, lane) => head().state.consumed.get(`${payer}:${lane}`) ?? 0n,
    allow(payer, pricePerCredit, credits) {
      const held = fake.allowanceOf(payer);
      payerAction("Allowed", payer, { ...held, pricePerCredit, credits, thawingCredits: 0n });
    },
    revoke(payer, credits) {
      const held = fake.allowanceOf(payer);
      const thawingCredits = credits < held.credits ? credits : held.credits;
      payerAction("RevokeStarted", payer, { ...held, thawingCredits });
    },
    reclaim(payer) {
      const held = fake.allowanceOf(payer);
      const credits = held.credits - held.thawingCredits;
      const told = { ...held, credits: held.thawingCredits };
      payerAction("Reclaimed", payer, { ...held, credits, thawingCredits: 0n }, told);
    },
    limitOperator(operator) {
      append({ ...copy(head().state), operator });
    },
    bumpEpoch(payer, epochEnd) {
      payerAction("EpochBumped", payer, { ...fake.allowanceOf(payer), epochEnd });
    },
    async mine() {
      if (await mineReady() === 0) append(copy(head().state));
    },
    stealNonce() {
      const state = copy(head().state);
      state.nonce += 1;
      append(state);
    },
    async reorganise(depth, keepsTransactions) {
      salt += 1;
      const from = Math.max(1, blocks.length - depth);
      const undone = blocks.splice(from);
      append(copy(head().state));
      if (keepsTransactions) {
        for (const { transaction } of undone) if (transaction) mempool.push(transaction);
        await mineReady();
      }
      while (blocks.length <= from + undone.length) append(copy(head().state));
    },
    nonce: () => head().state.nonce,
    height: () => head().number,
  };

  append({
    allowances: new Map(),
    consumed: new Map(),
    nonce: 0,
    operator: { expiry: NEVER, dailyCap: 0n, spent: 0n },
  });

  async function arrive(raw: Hex): Promise<Hex> {
    const { nonce = 0, data = "0x", maxFeePerGas = 0n } = parseTransaction(raw);
    const hash = keccak256(raw);
    if (nonce < head().state.nonce) throw rpcError("nonce too low");
    if (!mempool.some((known) => known.hash === hash)) {
      mempool.push({ raw, hash, nonce, data, fee: maxFeePerGas });
    }
    if (fake.isMining) await mineReady();
    return hash;
  }

  function blockAt(tag: unknown): Block {
    if (tag === "latest" || tag === "pending" || tag === undefined) return head();
    if (tag === "safe" || tag === "finalized") return blocks[Math.max(0, blocks.length - 4)]!;
    return blocks[Number(tag as Hex)] ?? null as unknown as Block;
  }

  async function answer({ method, params = [] }: Request): Promise<unknown> {
    switch (method) {
      case "eth_chainId":
        return numberToHex(CHAIN_ID);
      case "eth_blockNumber":
        return numberToHex(head().number);
      case "eth_getBlockByNumber":
        return blockJson(blockAt(params[0]));
      case "eth_maxPriorityFeePerGas":
        return "0x1";
      case "eth_getTransactionCount":
        return numberToHex(pendingNonce(params[1] === "pending"));
      case "eth_estimateGas":
        return await estimate((params[0] as { data?: Hex }).data ?? "0x");
      case "eth_sendRawTransaction":
        return await arrive(params[0] as Hex);
      case "eth_getTransactionReceipt":
        return receiptJson(blocks.find(({ transaction }) => transaction?.hash === params[0]));
      case "eth_getLogs":
        return logsJson(params[0] as { fromBlock: Hex; toBlock: Hex; topics: (Hex[] | null)[] });
      case "eth_call":
        return call(params[0] as Target, blockAt(params[1]).state);
    }
    throw rpcError(`${method} is not known here`);
  }

  function call({ to, data }: Target, state: State): Hex {
    if (to !== MULTICALL3) return read(data, state, fake.now);
    const { args: [calls] } = decodeFunctionData({ abi: multicall3Abi, data }) as {
      args: readonly [readonly { target: Address; callData: Hex }[]];
    };
    const result = calls.map(({ callData }) => {
      return { success: true, returnData: read(callData, state, fake.now) };
    });
    return encodeFunctionResult({ abi: multicall3Abi, functionName: "aggregate3", result });
  }

  function pendingNonce(withMempool: boolean): number {
    let next = head().state.nonce;
    while (withMempool && mempool.some(({ nonce }) => nonce === next)) next += 1;
    return next;
  }

  async function estimate(data: Hex): Promise<Hex> {
    const outcome = await execute(copy(head().state), data);
    if (typeof outcome !== "string") return numberToHex(100_000);
    throw Object.assign(rpcError("execution reverted"), { code: 3, data: selectorOf(outcome) });
  }

  function logsJson(filter: { fromBlock: Hex; toBlock: Hex; topics: (Hex[] | null)[] }) {
    const wanted = filter.topics[0]!;
    return blocks.slice(Number(filter.fromBlock), Number(filter.toBlock) + 1).flatMap((block) =>
      block.logs.filter(({ topics }) => wanted.includes(topics[0]!)).map((log, index) =>
        logJson(block, log, index)
      )
    );
  }

  const transport = custom({
    async request(request: Request) {
      const instead = await fake.intercept?.(request);
      return instead === undefined ? await answer(request) : instead;
    },
  }, { retryCount: 0 });
  const definition = defineChain({
    id: CHAIN_ID,
    name: "fake",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [] } },
  });
  const client = createPublicClient({ chain: definition, transport });
  const unused = () => Promise.reject(new Error("a provider sends through its operator"));
  const chain: Chain = {
    chainId: CHAIN_ID,
    endpoint: "fake",
    public: client as unknown as Chain["public"],
    send: unused,
    sendData: unused,
    deploy: unused,
    read: async <T>(call: Parameters<Chain["read"]>[0]) => await client.readContract(call) as T,
    readMany: createManyReader({
      // There is a Multicall3; that it is asked for once is no request worth counting.
      request: (question) =>
        question.method === "eth_getCode"
          ? Promise.resolve("0x01")
          : client.request(question as never),
      callMany: () => Promise.reject(new Error("what Multicall3 can read goes as one")),
    }, "fake"),
    heads: () => Promise.resolve([]),
    endpoints: () => [{ origin: "fake", state: "up", disagreements: 0, trouble: null }],
  };
  return Object.assign(fake, { chain });
}

/** An answer as a node words it when it does not. */
export function rpcError(message: string): Error & { code: number } {
  return Object.assign(new Error(message), { code: -32000, details: message });
}

function blockJson(block: Block | null) {
  if (!block) return null;
  const { hash, parentHash, timestamp } = block;
  return {
    number: numberToHex(block.number),
    hash,
    parentHash,
    timestamp: numberToHex(timestamp),
    baseFeePerGas: "0x1",
  };
}

function receiptJson(block: Block | undefined) {
  if (!block) return null;
  return {
    status: block.status,
    transactionHash: block.transaction!.hash,
    transactionIndex: "0x0",
    blockHash: block.hash,
    blockNumber: numberToHex(block.number),
    gasUsed: "0x1",
    cumulativeGasUsed: "0x1",
    effectiveGasPrice: "0x1",
    type: "0x2",
    logs: block.logs.map((log, index) => logJson(block, log, index)),
  };
}

function logJson(block: Block, { topics, data }: FakeLog, index: number) {
  return {
    address: FAKE_ESCROW,
    topics,
    data,
    blockNumber: numberToHex(block.number),
    blockHash: block.hash,
    transactionHash: block.transaction?.hash ?? keccak256(block.hash),
    transactionIndex: "0x0",
    logIndex: numberToHex(index),
    removed: false,
  };
}

/**
 * The real Escrow on anvil and the one in memory, side by side: the same messages at the same time,
 * and everything that each of them tells.
 */
import {
  type Abi,
  type Address,
  decodeFunctionResult,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  keccak256,
  numberToHex,
  type RpcLog,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { escrowCode } from "../../lib/chain/escrow_code.ts";
import { startAnvil } from "./anvil.ts";
import { FAKE_ESCROW, FakeChain, FakeRevert } from "./fake_chain.ts";
import { FAKE_TERMS } from "./fake_escrow.ts";

const SITE = { chainId: 31_337, escrow: FAKE_ESCROW };
const GAS = 5_000_000;
/** Of `balanceOf` in the contract's storage. */
const BALANCES_PLACE = 0n;

export interface Question {
  functionName: string;
  args: readonly unknown[];
}

/** What became of a message. */
export interface Told {
  /** What the escrow reverted with; null when it did not. */
  revert: Hex | null;
  logs: { topics: Hex[]; data: Hex }[];
  gas: bigint;
}

/** One escrow, whichever it is. */
export interface Twin {
  /** @param time of the block that takes it, Unix seconds */
  send(from: Address, call: Question, time: bigint): Promise<Told>;
  /** As of the newest block. */
  read(questions: readonly Question[]): Promise<unknown[]>;
}

/** A fresh escrow in which these payers have a free balance each, USDC base units. */
export function fakeTwin(provider: Address, payers: readonly Address[], balance: bigint): Twin {
  const fake = new FakeChain(provider, { isOpen: false });
  for (const payer of payers) fake.fund(payer, balance);
  return {
    async send(from, { functionName, args }, time) {
      fake.now = time;
      try {
        const { logs, gas } = await fake.act(from, functionName, args);
        return { revert: null, logs: logs.map(({ topics, data }) => ({ topics, data })), gas };
      } catch (error) {
        if (!(error instanceof FakeRevert)) throw error;
        await fake.mine();
        return { revert: error.data, logs: [], gas: 0n };
      }
    },
    read: (questions) =>
      fake.chain.readMany(questions.map((question) => ({
        address: FAKE_ESCROW,
        abi: escrowAbi as Abi,
        ...question,
      }))),
  };
}

/** The real one; a fresh one each time it is asked for, with the same balances. */
export async function startRealTwins(payers: readonly Address[], balance: bigint) {
  const anvil = await startAnvil();
  const { ask, askAll } = client(anvil.url);
  const code = escrowCode(FAKE_TERMS, SITE);
  await ask("anvil_setCode", [FAKE_ESCROW, code]);
  for (const payer of payers) {
    const types = [{ type: "address" }, { type: "uint256" }];
    const place = keccak256(encodeAbiParameters(types, [payer, BALANCES_PLACE]));
    await ask("anvil_setStorageAt", [FAKE_ESCROW, place, numberToHex(balance, { size: 32 })]);
  }
  let snapshot = await ask("evm_snapshot", []);

  /** It is mined at once, and that may take a moment. */
  async function receiptOf(hash: Hex) {
    for (;;) {
      const receipt = await ask("eth_getTransactionReceipt", [hash]);
      if (receipt !== null) return receipt;
    }
  }

  async function send(from: Address, call: Question, time: bigint): Promise<Told> {
    const data = encodeFunctionData({ abi: escrowAbi as Abi, ...call });
    await ask("evm_setNextBlockTimestamp", [Number(time)]);
    const transaction = { from, to: FAKE_ESCROW, data, gas: numberToHex(GAS) };
    const hash = await ask("eth_sendTransaction", [transaction]);
    const { status, gasUsed, logs } = await receiptOf(hash);
    const traced = status === "0x1"
      ? null
      : await ask("debug_traceTransaction", [hash, { tracer: "callTracer" }]);
    return {
      revert: traced === null ? null : traced.output,
      logs: logs.map(({ topics, data }: RpcLog) => ({ topics, data })),
      gas: BigInt(gasUsed),
    };
  }

  async function read(questions: readonly Question[]): Promise<unknown[]> {
    const block = await ask("eth_blockNumber", []);
    const calls = questions.map((question) => {
      const data = encodeFunctionData({ abi: escrowAbi as Abi, ...question });
      return { method: "eth_call", params: [{ to: FAKE_ESCROW, data }, block] };
    });
    const answers = await askAll(calls) as Hex[];
    return answers.map((data, index) =>
      decodeFunctionResult({ abi: escrowAbi as Abi, ...questions[index]!, data })
    );
  }

  return {
    async fresh(): Promise<Twin> {
      await ask("evm_revert", [snapshot]);
      snapshot = await ask("evm_snapshot", []);
      return { send, read };
    },
    [Symbol.asyncDispose]: () => anvil[Symbol.asyncDispose](),
  };
}

interface Asked {
  method: string;
  params: readonly unknown[];
}

function client(url: string) {
  async function post(body: unknown): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
    return await response.json();
  }
  // deno-lint-ignore no-explicit-any -- each method's answer is a form of its own
  const resultOf = (method: string, { result, error }: any) => {
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  return {
    async ask(method: string, params: readonly unknown[]) {
      return resultOf(method, await post({ jsonrpc: "2.0", id: 1, method, params }));
    },
    async askAll(asked: readonly Asked[]) {
      const batch = asked.map((each, id) => ({ jsonrpc: "2.0", id, ...each }));
      const answers = await post(batch) as { id: number }[];
      const inOrder = answers.toSorted((one, other) => one.id - other.id);
      return inOrder.map((each, index) => resultOf(asked[index]!.method, each));
    },
  };
}

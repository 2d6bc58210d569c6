/**
 * Many reads of contracts as of one block. Where the chain has Multicall3
 * (https://www.multicall3.com) one `eth_call` carries them all; else they go in batches.
 */
import {
  type Address,
  BaseError,
  decodeFunctionResult,
  encodeFunctionData,
  getContractError,
  type Hex,
  numberToHex,
  RawContractError,
} from "viem";
import type { ContractCall } from "./contract_call.ts";
import { inSlices } from "../slices.ts";
import { asChainError } from "./refusal.ts";

/** Where Multicall3 is on every chain that has it. */
export const MULTICALL3: Address = "0xcA11bde05977b3631167028862bE2a173976CA11";

/** What one contract answered: its bytes, or why there are none. */
export type CallAnswer = { data: Hex } | { error: Error };

/** The questions that reading asks a chain. */
export interface ReadsTransport {
  /** One JSON-RPC call. */
  request(call: { method: string; params: readonly unknown[] }): Promise<unknown>;
  /** One `eth_call` each as of one block, in as few requests as the endpoint takes. */
  callMany(calls: readonly { to: Address; data: Hex }[], block: Hex): Promise<CallAnswer[]>;
}

export interface ManyReader {
  <T>(calls: readonly ContractCall[], blockNumber?: bigint): Promise<T[]>;
}

/**
 * The largest calldata of one request, characters of hex. The 1,024 lanes that a payer may have
 * take 590,000 and must go as one; nodes take bodies of some megabytes, and about 50 million gas,
 * of which these take 8.
 */
const CALLDATA_CHARS = 768 * 1024;

const AGGREGATE3 = "0x82ad56cb";
const WORD = 64;

/**
 * @param endpoint the RPC's origin, for messages
 * @returns a function that rejects as a whole, with KhachapuriError `chain_refused` when a contract
 *   refuses one of the calls, else `chain_unavailable`
 */
export function createManyReader(transport: ReadsTransport, endpoint: string): ManyReader {
  let hasMulticall: Promise<boolean> | null = null;

  /** Code that is there stays; whether it is there is asked again where asking failed. */
  function askMulticall(): Promise<boolean> {
    const asked = transport.request({ method: "eth_getCode", params: [MULTICALL3, "latest"] });
    return asked.then((code) => typeof code === "string" && code.length > 2);
  }

  async function answers(datas: readonly Target[], block: Hex | null): Promise<CallAnswer[]> {
    hasMulticall ??= askMulticall();
    hasMulticall.catch(() => hasMulticall = null);
    if (!await hasMulticall) {
      return await transport.callMany(datas, block ?? await latest(transport));
    }
    const chunks = chunked(datas);
    const at = block ?? (chunks.length === 1 ? "latest" : await latest(transport));
    const parts: CallAnswer[][] = [];
    for (const chunk of chunks) parts.push(await aggregate(transport, chunk, at));
    return parts.flat();
  }

  return async <T>(calls: readonly ContractCall[], blockNumber?: bigint): Promise<T[]> => {
    if (calls.length === 0) return [];
    const block = blockNumber === undefined ? null : numberToHex(blockNumber);
    const targets = await mapInSlices(calls, (call) => ({
      to: call.address,
      data: encodeFunctionData(call as Parameters<typeof encodeFunctionData>[0]),
    }));
    const said = await answers(targets, block).catch((error) => {
      throw asChainError(error, endpoint);
    });
    return await mapInSlices(calls, (call, index) => resultOf<T>(call, said[index]!, endpoint));
  };
}

interface Target {
  to: Address;
  data: Hex;
}

async function latest(transport: ReadsTransport): Promise<Hex> {
  return await transport.request({ method: "eth_blockNumber", params: [] }) as Hex;
}

function resultOf<T>(call: ContractCall, answer: CallAnswer, endpoint: string): T {
  const { abi, address, functionName, args = [], messages } = call;
  try {
    if ("error" in answer) throw answer.error;
    return decodeFunctionResult({ abi, functionName, args, data: answer.data }) as T;
  } catch (error) {
    const about = { abi, address, functionName, args };
    throw asChainError(getContractError(error as Error, about), endpoint, messages);
  }
}

/** Maps a list, however long, without keeping the event loop from others. */
async function mapInSlices<A, B>(
  items: readonly A[],
  map: (item: A, index: number) => B,
): Promise<B[]> {
  const mapped: B[] = [];
  await inSlices(items, (item, index) => void mapped.push(map(item, index)));
  return mapped;
}

/* AGGREGATE3: its encoding is written out, as viem's takes 30 ms for a thousand calls */

/** Cuts a list into runs that fit one request each. */
function chunked(targets: readonly Target[]): Target[][] {
  const chunks: Target[][] = [];
  let chars = Infinity;
  for (const target of targets) {
    const more = 6 * WORD + target.data.length;
    chars += more;
    if (chars > CALLDATA_CHARS) {
      chunks.push([]);
      chars = more;
    }
    chunks.at(-1)!.push(target);
  }
  return chunks;
}

async function aggregate(
  transport: ReadsTransport,
  targets: readonly Target[],
  block: Hex | "latest",
): Promise<CallAnswer[]> {
  const call = { to: MULTICALL3, data: encodeAggregate3(targets) };
  const answer = await transport.request({ method: "eth_call", params: [call, block] });
  return decodeAggregate3(answer as Hex, targets.length);
}

const word = (value: number) => value.toString(16).padStart(WORD, "0");

/** `aggregate3((address target, bool allowFailure, bytes callData)[])`, failures allowed. */
export function encodeAggregate3(targets: readonly Target[]): Hex {
  const offsets: string[] = [];
  const tuples: string[] = [];
  let offset = targets.length * 32;
  for (const { to, data } of targets) {
    const bytes = (data.length - 2) / 2;
    const padded = Math.ceil(bytes / 32) * WORD;
    offsets.push(word(offset));
    const target = to.slice(2).toLowerCase().padStart(WORD, "0");
    const callData = data.slice(2).padEnd(padded, "0");
    tuples.push(target + word(1) + word(96) + word(bytes) + callData);
    offset += 4 * 32 + padded / 2;
  }
  const head = `${word(32)}${word(targets.length)}`;
  return `${AGGREGATE3}${head}${offsets.join("")}${tuples.join("")}`;
}

/** `(bool success, bytes returnData)[]`. @throws BaseError for anything but `count` of them */
export function decodeAggregate3(answer: Hex, count: number): CallAnswer[] {
  /** The number in the word at this place of the hex. */
  const at = (place: number) => {
    const value = Number.parseInt(answer.slice(place, place + WORD), 16);
    if (value * 2 <= answer.length) return value;
    throw new BaseError("Multicall3 answered no list of results");
  };
  const list = 2 + 2 * at(2);
  if (at(list) !== count) throw new BaseError("Multicall3 answered another number of results");
  const start = list + WORD;
  return Array.from({ length: count }, (_, index) => {
    const result = start + 2 * at(start + index * WORD);
    const bytes = result + 2 * at(result + WORD);
    const begin = bytes + WORD;
    const end = begin + 2 * at(bytes);
    if (end > answer.length) throw new BaseError("Multicall3 answered no list of results");
    const data: Hex = `0x${answer.slice(begin, end)}`;
    return at(result) === 1 ? { data } : { error: new RawContractError({ data }) };
  });
}

/** The blocks of a chain in memory, each with the state that it left. */
import { type Address, type Hex, keccak256, numberToHex, toHex } from "viem";
import type { FakeLog } from "./fake_escrow.ts";
import type { Transaction } from "./fake_pool.ts";
import { Draft, type Slot, type Store, Versions } from "./fake_state.ts";

/** A transaction in its block. */
export interface Mined {
  transaction: Transaction;
  status: "0x1" | "0x0";
  gasUsed: bigint;
  /** What it paid for a unit of gas, wei. */
  price: bigint;
  logs: FakeLog[];
}

export interface Block {
  number: bigint;
  hash: Hex;
  parentHash: Hex;
  /** Unix seconds. */
  timestamp: bigint;
  /** Wei for a unit of gas. */
  baseFee: bigint;
  mined: Mined[];
}

/** Mined transactions of an account. */
export const nonceSlot = (owner: Address): Slot<number> => ({
  key: `nonce:${owner.toLowerCase()}`,
  initial: 0,
});

/** Wei that an account was given; null: what everybody has. */
export const givenSlot = (owner: Address): Slot<bigint | null> => ({
  key: `given:${owner.toLowerCase()}`,
  initial: null,
});

/** Wei that an account has paid for gas. */
export const spentSlot = (owner: Address): Slot<bigint> => ({
  key: `spent:${owner.toLowerCase()}`,
  initial: 0n,
});

export class Blocks {
  readonly list: Block[] = [];
  readonly #versions = new Versions();
  /** Tells the blocks of two forks apart. */
  #fork = 0n;

  /** @param genesis writes what stands there before the first block */
  constructor(genesis: (draft: Draft) => void) {
    const draft = new Draft(this.state());
    genesis(draft);
    this.append(draft, { time: 0n, baseFee: 1n }, []);
  }

  get head(): Block {
    return this.list.at(-1)!;
  }

  /** The state after a block, or the newest one. */
  state(block = this.list.length - 1): Store {
    return this.#versions.after(block);
  }

  /** A block's time is never before its parent's. */
  append(draft: Draft, { time, baseFee }: { time: bigint; baseFee: bigint }, mined: Mined[]): void {
    const number = BigInt(this.list.length);
    const parent = this.list.at(-1);
    this.#versions.write(Number(number), draft);
    this.list.push({
      number,
      hash: keccak256(numberToHex((this.#fork << 64n) + number)),
      parentHash: parent?.hash ?? toHex(0, { size: 32 }),
      timestamp: parent && parent.timestamp > time ? parent.timestamp : time,
      baseFee,
      mined,
    });
  }

  /** The last `depth` blocks never were; the first of all stays. */
  cut(depth: number): Block[] {
    const from = Math.max(1, this.list.length - depth);
    this.#fork += 1n;
    this.#versions.cutAbove(from - 1);
    return this.list.splice(from);
  }

  /** A mined transaction with its block, among the blocks up to `top`. */
  find(hash: Hex, top: bigint): { block: Block; index: number } | null {
    for (const block of this.list.toReversed()) {
      if (block.number > top) continue;
      const index = block.mined.findIndex(({ transaction }) => transaction.hash === hash);
      if (index >= 0) return { block, index };
    }
    return null;
  }
}

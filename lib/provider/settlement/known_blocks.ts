/**
 * The blocks of the chain as it was seen, and what of them has gone. Endpoints may stand on
 * different blocks: what one of them does not know yet has not gone, only what has another hash in
 * its place has.
 */
import type { Hex } from "viem";
import { REORGANISED_BLOCKS_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";

export interface BlockId {
  readonly number: bigint;
  readonly hash: Hex;
}

/** A block as the chain's newest one is told. */
export interface HeadBlock extends BlockId {
  readonly parentHash: Hex;
  /** Unix seconds. */
  readonly timestamp: bigint;
}

/** How the newest block goes with what was seen. */
export type Comparison =
  /** Nothing of it has gone. */
  | "continues"
  /** The endpoint stands on an earlier block of the same chain. */
  | "behind"
  /** The block above which all has gone. */
  | { undoneAbove: bigint };

/** Blocks noted that no look has reached yet; a lying endpoint may name any number. */
const BLOCKS_NOTED = 1_024;
/** A chain that stays shorter than it was for so long has lost its end, ms. */
const SHORTER_MS = 30_000;

export class KnownBlocks {
  /** One chain: should a block of it go, all above it have gone. */
  readonly #seen = new Lru<bigint, Hex>(REORGANISED_BLOCKS_MAX);
  /** Perhaps of several forks; by hash. */
  readonly #noted = new Lru<Hex, bigint>(BLOCKS_NOTED);
  /** What lies above has gone and was not taken back yet. */
  #undoneAbove: bigint | null = null;
  #behindSince: number | null = null;

  /**
   * @param hashAt the hash of a block now; null where the endpoint does not know it
   * @param now the clock, ms
   */
  constructor(
    private readonly hashAt: (block: bigint) => Promise<Hex | null>,
    private readonly now: () => number,
  ) {}

  /** A block of the chain that we follow. */
  see({ number, hash }: BlockId): void {
    this.#seen.set(number, hash);
  }

  /** Something rests on what this block said, which may be of another fork than we follow. */
  note({ number, hash }: BlockId): void {
    this.#noted.set(hash, number);
  }

  /**
   * Compares what is known with the newest block. What has gone is told again until `takenBack`.
   * @throws Error when the endpoint does not know a block yet that would tell
   */
  async compare(latest: HeadBlock): Promise<Comparison> {
    const common = await this.#common(latest);
    if (common === "behind") return "behind";
    if (common < this.#top()) this.#undo(common);
    await this.#lookAtNoted(latest);
    if (this.#undoneAbove === null) return "continues";
    this.#undo(this.#undoneAbove);
    return { undoneAbove: this.#undoneAbove };
  }

  /** What had gone was taken back. */
  takenBack(): void {
    this.#undoneAbove = null;
  }

  /** How long endpoints have told of a shorter chain than before, ms. */
  behindMs(): number {
    return this.#behindSince === null ? 0 : this.now() - this.#behindSince;
  }

  #top(): bigint {
    return this.#blocks()[0] ?? -1n;
  }

  /** Highest first. */
  #blocks(): bigint[] {
    return [...this.#seen.keys()].sort((a, b) => a < b ? 1 : -1);
  }

  /** The highest block seen that is still there. */
  async #common(latest: HeadBlock): Promise<bigint | "behind"> {
    const blocks = this.#blocks();
    const [top] = blocks;
    if (top === undefined) return latest.number;
    const within = blocks.filter((block) => block <= latest.number);
    for (const [index, block] of within.entries()) {
      if (!await this.#isThere(block, this.#seen.peek(block)!, latest)) continue;
      const isShorter = index === 0 && latest.number < top;
      if (isShorter && !this.#hasStayedBehind()) return "behind";
      this.#behindSince = null;
      return block;
    }
    if (within.length === 0 && !this.#hasStayedBehind()) return "behind";
    this.#behindSince = null;
    return outOfReach(top);
  }

  #hasStayedBehind(): boolean {
    this.#behindSince ??= this.now();
    return this.behindMs() >= SHORTER_MS;
  }

  async #lookAtNoted(latest: HeadBlock): Promise<void> {
    for (const hash of [...this.#noted.keys()]) {
      const block = this.#noted.peek(hash)!;
      if (block > latest.number) continue;
      const seen = this.#seen.peek(block);
      const found = seen ?? hashIn(latest, block) ?? await this.hashAt(block);
      // An endpoint that lags may know it by the next look.
      if (found === null) continue;
      if (found !== hash) this.#lower(block - 1n);
      this.#noted.delete(hash);
    }
  }

  async #isThere(block: bigint, hash: Hex, latest: HeadBlock): Promise<boolean> {
    const found = hashIn(latest, block) ?? await this.hashAt(block);
    if (found === null) throw new Error(`the endpoint does not know block ${block} yet`);
    return found === hash;
  }

  /** What was seen above `block` is forgotten. */
  #undo(block: bigint): void {
    for (const seen of this.#blocks()) if (seen > block) this.#seen.delete(seen);
    this.#lower(block);
  }

  #lower(block: bigint): void {
    const known = this.#undoneAbove;
    this.#undoneAbove = known !== null && known < block ? known : block;
  }
}

/** The hash of the newest block or the one below, which it names; null for others. */
function hashIn({ number, hash, parentHash }: HeadBlock, block: bigint): Hex | null {
  if (block === number) return hash;
  return block === number - 1n ? parentHash : null;
}

/** The block below `block` that no reorganisation is expected to reach. */
export function outOfReach(block: bigint): bigint {
  const depth = BigInt(REORGANISED_BLOCKS_MAX);
  return block > depth ? block - depth : 0n;
}

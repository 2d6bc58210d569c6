/**
 * Follows the escrow's events about this provider, block by block. A payer whose allowance changed
 * is read anew at its next call; a reorganised chain takes back what it had told.
 */
import { type Address, encodeEventTopics, formatLog, type Hex, pad, type RpcLog } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import type { Log } from "../../log.ts";
import { Lru } from "../../lru.ts";
import { type EscrowEvent, parseEscrowLogs } from "./escrow_events.ts";

export interface FollowerOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  log: Log;
  pollMs: number;
  /** New events, oldest first. */
  onEvents(events: readonly EscrowEvent[]): Promise<void>;
  /** Blocks above `block` are no longer what they were, or nobody watched them. */
  onReorg(block: bigint): Promise<void>;
  now?: () => number;
}

export interface BlockId {
  number: bigint;
  hash: Hex;
}

/** Blocks whose hash is remembered to notice a reorganisation. */
const BLOCKS_REMEMBERED = 256;
/** Blocks asked for at once; public RPCs refuse more. */
const RANGE_BLOCKS = 1_000n;

const EVENTS = ["Allowed", "RevokeStarted", "EpochBumped", "Reclaimed", "Charged"] as const;
const TOPICS = EVENTS.map((eventName) => encodeEventTopics({ abi: escrowAbi, eventName })[0]);

export class Follower {
  readonly #options: FollowerOptions;
  readonly #now: () => number;
  /** One chain: should a block of it go, all above it have gone. */
  readonly #seen = new Lru<bigint, Hex>(BLOCKS_REMEMBERED);
  /** Blocks noted that no reading has reached yet, perhaps of several forks; by hash. */
  readonly #noted = new Map<Hex, bigint>();
  #head: bigint | null = null;
  /** What lies above has gone and nobody could be told yet. */
  #undoneAbove: bigint | null = null;
  #heardAt = -Infinity;
  #polling: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  /** Starts at the chain's present block. */
  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.poll().then(() => this.#schedule());
  }

  /** Whether the chain has been heard of lately, so that silence means that nothing changed. */
  isCurrent(): boolean {
    return this.ageMs() <= 3 * this.#options.pollMs;
  }

  /** The newest block that was read; null before the first. */
  head(): bigint | null {
    return this.#head;
  }

  /** How long ago the chain was last heard of, ms; Infinity when never. */
  ageMs(): number {
    return this.#now() - this.#heardAt;
  }

  /** Reads the chain now. */
  async poll(): Promise<void> {
    const { log } = this.#options;
    this.#polling ??= this.#read()
      .catch((error) => log.debug("chain events not read", { error: String(error).slice(0, 100) }))
      .finally(() => this.#polling = null);
    await this.#polling;
  }

  /** The books rest on what this block said: should it go, `onReorg` will say so. */
  note({ number, hash }: BlockId): void {
    this.#noted.set(hash, number);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#polling;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { pollMs } = this.#options;
    this.#timer = setTimeout(() => this.poll().then(() => this.#schedule()), pollMs);
  }

  async #read(): Promise<void> {
    const latest = await this.#options.chain.public.getBlock({ blockTag: "latest" });
    const head = this.#head;
    let upTo = this.#head = head === null
      ? await this.#begin(latest.number)
      : await this.#undo(head, latest.number);
    // Before its events are read: should that fail, what was told until then can still be undone.
    this.#seen.set(latest.number, latest.hash);
    while (upTo < latest.number) {
      const end: bigint = upTo + RANGE_BLOCKS;
      const to = end < latest.number ? end : latest.number;
      const events = await this.#eventsBetween(upTo + 1n, to);
      if (events.length > 0) await this.#options.onEvents(events);
      upTo = this.#head = to;
    }
    this.#heardAt = this.#now();
  }

  /** What an earlier process saw of the last blocks may have been undone since. */
  async #begin(latest: bigint): Promise<bigint> {
    await this.#options.onReorg(outOfReach(latest));
    return latest;
  }

  /** The block up to which what we know still holds. */
  async #undo(known: bigint, latest: bigint): Promise<bigint> {
    const common = await this.#findUndone(known, latest);
    if (common === null) return known;
    this.#options.log.warn("the chain was reorganised", { from: common });
    await this.#options.onReorg(common);
    this.#undoneAbove = null;
    return common < known ? common : known;
  }

  /** The block above which something that we rest on has gone; null when nothing has. */
  async #findUndone(known: bigint, latest: bigint): Promise<bigint | null> {
    const common = await this.#commonBlock(known);
    for (const [hash, block] of this.#noted) {
      const isThere = await this.#hashAt(block) === hash;
      if (!isThere) this.#lowerUndone(block - 1n);
      // Below the latest block it is part of the chain that we have seen; above, it is not yet.
      if (!isThere || block <= latest) this.#noted.delete(hash);
    }
    if (this.#undoneAbove !== null) this.#lowerUndone(common);
    return this.#undoneAbove;
  }

  /** The highest block of the chain we saw that is still there; those above are forgotten. */
  async #commonBlock(known: bigint): Promise<bigint> {
    for (const block of [...this.#seen.keys()].sort((a, b) => a < b ? 1 : -1)) {
      if (await this.#hashAt(block) === this.#seen.peek(block)) return block;
      this.#seen.delete(block);
      this.#lowerUndone(known);
    }
    return outOfReach(known);
  }

  #lowerUndone(block: bigint): void {
    const known = this.#undoneAbove;
    this.#undoneAbove = known !== null && known < block ? known : block;
  }

  async #hashAt(block: bigint): Promise<Hex | null> {
    const { chain } = this.#options;
    const found = await chain.public.getBlock({ blockNumber: block }).catch((error) => {
      if ((error as Error).name === "BlockNotFoundError") return null;
      throw error;
    });
    return found?.hash ?? null;
  }

  async #eventsBetween(from: bigint, to: bigint): Promise<EscrowEvent[]> {
    const { chain, escrow, provider } = this.#options;
    const logs = await chain.public.request({
      method: "eth_getLogs",
      params: [{
        address: escrow,
        topics: [TOPICS as Hex[], null, pad(provider)],
        fromBlock: `0x${from.toString(16)}`,
        toBlock: `0x${to.toString(16)}`,
      }],
    });
    return parseEscrowLogs(escrow, (logs as RpcLog[]).map((entry) => formatLog(entry)));
  }
}

/** The block below `block` that no reorganisation is expected to reach. */
function outOfReach(block: bigint): bigint {
  const depth = BigInt(BLOCKS_REMEMBERED);
  return block > depth ? block - depth : 0n;
}

/**
 * Follows the escrow's events about this provider, block by block, so that what was read of the
 * chain once can be kept up to date by what happens; a reorganised chain takes back what it told.
 */
import { type Address, encodeEventTopics, formatLog, type Hex, pad, type RpcLog } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import type { Log } from "../../log.ts";
import { breathe, inSlices } from "../../slices.ts";
import type { Followed } from "../money/payers.ts";
import { type EscrowEvent, parseEscrowLogs } from "./escrow_events.ts";
import { HeadWatch } from "./head_watch.ts";
import { type BlockId, type HeadBlock, KnownBlocks, outOfReach } from "./known_blocks.ts";

export interface FollowerOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  log: Log;
  pollMs: number;
  /** Which block is trusted: what an event above it gives could still be undone. */
  finality?: "latest" | "safe" | "finalized";
  /** A head whose block is older is no chain, seconds; null where blocks come only when asked. */
  headSecondsMax?: number | null;
  /** The last block that an earlier process read, of which all it told is written down. */
  resumeAt?: BlockId | null;
  /** Has `resumeAt` say this to the next process. */
  keep?: (block: BlockId) => Promise<void>;
  /** New events, oldest first, and how far they go; none when blocks brought none. */
  onEvents(events: readonly EscrowEvent[], followed: Followed): Promise<void>;
  /** Blocks above `block` are no longer what they were, or nobody watched them. */
  onReorg(block: bigint): Promise<void>;
  /**
   * It goes on at `block`, where an earlier process stopped: what that one had noted of blocks
   * above may have gone since, and nobody would hear of it.
   */
  onResume(block: bigint): Promise<void>;
  now?: () => number;
}

/** Blocks asked for at once at first; an endpoint that refuses so many is asked for fewer. */
const RANGE_BLOCKS = 1_000n;
/** Blocks asked for once more: an endpoint that lags tells of a block it lacks no events at all. */
const OVERLAP_BLOCKS = 8n;
/** Events that are told before the event loop has a turn, and what is left of their block. */
const EVENTS_AT_ONCE = 500;
/** Between two writes of how far the chain was read, ms. */
const KEEP_MS = 5_000;

const EVENTS = ["Allowed", "RevokeStarted", "EpochBumped", "Reclaimed", "Charged"] as const;
const TOPICS = EVENTS.map((eventName) => encodeEventTopics({ abi: escrowAbi, eventName })[0]);

export class Follower {
  readonly #options: FollowerOptions;
  readonly #now: () => number;
  readonly #blocks: KnownBlocks;
  readonly #head: HeadWatch;
  /** The block up to which all events were told; null before the first look. */
  #upTo: bigint | null;
  /** Blocks up to here were told by an earlier process, or before anybody asked. */
  #floor: bigint;
  /** Events told of the last blocks: the block by its hash and the event's index. */
  readonly #told = new Map<string, bigint>();
  #range = RANGE_BLOCKS;
  #trusted = 0n;
  #read: BlockId | null = null;
  #kept: BlockId | null;
  #keptAt = -Infinity;
  /** An earlier process stopped at `#upTo`, and nothing was looked at since. */
  #isResuming: boolean;
  #polling: Promise<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isStopped = false;

  /** Starts where an earlier process stopped, else at the chain's present block. */
  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#blocks = new KnownBlocks((block) => this.#hashAt(block), this.#now);
    this.#head = new HeadWatch(options.pollMs, options.headSecondsMax ?? null, this.#now);
    const resumeAt = options.resumeAt ?? null;
    this.#upTo = resumeAt?.number ?? null;
    this.#floor = resumeAt?.number ?? 0n;
    this.#kept = resumeAt;
    this.#isResuming = resumeAt !== null;
    if (resumeAt) this.#blocks.see(resumeAt);
    this.poll().then(() => this.#schedule());
  }

  /** Whether the chain has been heard of lately, so that silence means that nothing changed. */
  isCurrent(): boolean {
    return this.#head.isCurrent();
  }

  /** Whether the endpoint's newest block is so old that what it says is worth nothing. */
  isStandingStill(): boolean {
    return this.#head.isStandingStill();
  }

  /** The newest block whose events were read; null before the first. */
  head(): bigint | null {
    return this.#read === null ? null : this.#upTo;
  }

  /** Whatever blocks up to this one told stays as it is, and is not read again. */
  finalBlock(): bigint {
    return outOfReach(this.#trusted);
  }

  /** How long ago the chain was last heard of, ms; Infinity when never. */
  ageMs(): number {
    return this.#head.ageMs();
  }

  /** How old the newest block is, ms; Infinity when there is none. */
  headAgeMs(): number {
    return this.#head.headAgeMs();
  }

  /** The later of the clock here and the chain's, ms: nothing is good after its time by either. */
  laterNow(): number {
    return Math.max(this.#now(), this.#head.timeMs());
  }

  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[] {
    return this.#head.alarms(this.#blocks.behindMs());
  }

  /** Reads the chain now. */
  async poll(): Promise<void> {
    const { log } = this.#options;
    this.#polling ??= this.#look()
      .catch((error) => log.debug("chain events not read", { error: String(error).slice(0, 100) }))
      .finally(() => this.#polling = null);
    await this.#polling;
  }

  /** The books rest on what this block said: should it go, `onReorg` will say so. */
  note(block: BlockId): void {
    this.#blocks.note(block);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#polling;
    await this.#keep();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const { pollMs } = this.#options;
    this.#timer = setTimeout(() => this.poll().then(() => this.#schedule()), pollMs);
  }

  async #look(): Promise<void> {
    const latest = await this.#blockAt("latest");
    const upTo = await this.#undo(latest);
    if (upTo === "behind") return;
    // Before its events are read: should that fail, what was told until then can still be undone.
    this.#blocks.see(latest);
    this.#head.hear(latest);
    this.#trusted = await this.#trustedBlock(latest);
    await this.#tellUpTo(upTo, latest.number);
    this.#read = { number: latest.number, hash: latest.hash };
    this.#head.heard();
    if (this.#now() - this.#keptAt >= KEEP_MS) await this.#keep();
  }

  async #trustedBlock({ number }: HeadBlock): Promise<bigint> {
    const { finality = "latest" } = this.#options;
    return finality === "latest" ? number : (await this.#blockAt(finality)).number;
  }

  /** The block up to which what was told still holds. */
  async #undo(latest: HeadBlock): Promise<bigint | "behind"> {
    if (this.#upTo === null) return await this.#begin(latest.number);
    const found = await this.#blocks.compare(latest);
    if (found === "behind") return found;
    if (found === "continues") {
      if (this.#isResuming) await this.#options.onResume(this.#upTo);
      this.#isResuming = false;
      return this.#upTo;
    }
    const { undoneAbove } = found;
    this.#options.log.warn("the chain was reorganised", { from: undoneAbove });
    await this.#options.onReorg(undoneAbove);
    this.#isResuming = false;
    this.#blocks.takenBack();
    for (const [key, block] of this.#told) if (block > undoneAbove) this.#told.delete(key);
    if (undoneAbove < this.#floor) this.#floor = undoneAbove;
    if (undoneAbove < this.#upTo) this.#upTo = undoneAbove;
    return this.#upTo;
  }

  /** What an earlier process saw of the last blocks may have been undone since. */
  async #begin(latest: bigint): Promise<bigint> {
    await this.#options.onReorg(outOfReach(latest));
    this.#floor = latest;
    return this.#upTo = latest;
  }

  async #tellUpTo(from: bigint, latest: bigint): Promise<void> {
    const { onEvents } = this.#options;
    if (from === latest) return await onEvents([], { head: latest, trusted: this.#trusted });
    for (let upTo = from; upTo < latest;) {
      const overlap = this.#range > 2n * OVERLAP_BLOCKS ? OVERLAP_BLOCKS : 0n;
      const first = max(upTo + 1n - overlap, this.#floor + 1n);
      const to = min(first + this.#range - 1n, latest);
      const events = await this.#eventsBetween(first, to).catch((error) => {
        if (first === to || !isTooMuch(error)) throw error;
        return null;
      });
      if (events === null) this.#range = (to - first + 1n) / 2n;
      else {
        await this.#tell(events, to);
        upTo = this.#upTo = to;
      }
    }
  }

  async #tell(events: readonly EscrowEvent[], to: bigint): Promise<void> {
    for (const [index, part] of byBlocks(events).entries()) {
      if (index > 0) await breathe();
      const isLast = part.at(-1) === events.at(-1);
      // The first ones may be of blocks that were told already.
      await this.#tellPart(part, isLast ? to : max(part.at(-1)!.blockNumber, this.#upTo!));
    }
  }

  async #tellPart(events: readonly EscrowEvent[], to: bigint): Promise<void> {
    const fresh = events.filter((event) => !this.#told.has(keyOf(event)));
    await this.#options.onEvents(fresh, { head: to, trusted: min(this.#trusted, to) });
    for (const event of fresh) this.#told.set(keyOf(event), event.blockNumber);
    for (const [key, block] of this.#told) {
      if (block + OVERLAP_BLOCKS <= to) this.#told.delete(key);
    }
  }

  /** Tells the next process how far this one came; what it told is written down by then. */
  async #keep(): Promise<void> {
    const { keep, log } = this.#options;
    const read = this.#read;
    if (!keep || read === null || read.hash === this.#kept?.hash) return;
    this.#keptAt = this.#now();
    // The next start then reads more than it had to.
    await keep(read).then(() => void (this.#kept = read), (error) => {
      log.warn("how far the chain was read is not written down", { error: String(error) });
    });
  }

  async #blockAt(tag: "latest" | "safe" | "finalized"): Promise<HeadBlock> {
    const { chain } = this.#options;
    const { number, hash, parentHash, timestamp } = await chain.public.getBlock({ blockTag: tag });
    return { number: number!, hash: hash!, parentHash, timestamp };
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
    const events: EscrowEvent[] = [];
    await inSlices(
      logs as RpcLog[],
      (entry) => events.push(...parseEscrowLogs(escrow, [formatLog(entry)])),
    );
    return events;
  }
}

/** Parts of some events, none of which ends within a block; at least one, be it empty. */
function byBlocks(events: readonly EscrowEvent[]): EscrowEvent[][] {
  const parts: EscrowEvent[][] = [[]];
  for (const event of events) {
    const part = parts.at(-1)!;
    const isNext = event.blockNumber !== part.at(-1)?.blockNumber;
    if (part.length >= EVENTS_AT_ONCE && isNext) parts.push([event]);
    else part.push(event);
  }
  return parts;
}

function keyOf({ blockHash, logIndex }: EscrowEvent): string {
  return `${blockHash}:${logIndex}`;
}

/** Whether an endpoint refuses because so many blocks, or their logs, are too much at once. */
function isTooMuch(error: unknown): boolean {
  const { message, details = "" } = error as Error & { details?: string };
  const said = `${message} ${details}`;
  return /range|limit|too (many|large)|more than|exceed/i.test(said) &&
    !/rate|per second|quota|429/i.test(said);
}

function min(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

function max(one: bigint, other: bigint): bigint {
  return one > other ? one : other;
}

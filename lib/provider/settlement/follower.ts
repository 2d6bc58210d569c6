/**
 * Follows the escrow's events about this provider, block by block. A payer whose allowance changed
 * is read anew at its next call; a reorganised chain takes back what it had told.
 */
import { type Address, encodeEventTopics, type Hex, pad, type RpcLog } from "viem";
import { formatLog } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import type { Log } from "../../log.ts";
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

export interface Follower {
  /** Whether the chain has been heard of lately, so that silence means that nothing changed. */
  isCurrent(): boolean;
  /** How long ago the chain was last heard of, ms; Infinity when never. */
  ageMs(): number;
  /** Looks at the chain now. */
  poll(): Promise<void>;
  /** The books rest on what this block said: should it go, `onReorg` will say so. */
  note(block: BlockId): void;
  stop(): Promise<void>;
}

/** Blocks whose hash is remembered to notice a reorganisation. */
const REMEMBERED_MAX = 256;
/** Blocks asked for at once; public RPCs refuse more. */
const RANGE_MAX = 1_000n;

const TOPICS = (["Allowed", "RevokeStarted", "Reclaimed", "Charged"] as const).map((eventName) =>
  encodeEventTopics({ abi: escrowAbi, eventName })[0]
);

/** The block that no reorganisation is expected to reach. */
function before(block: bigint): bigint {
  const depth = BigInt(REMEMBERED_MAX);
  return block > depth ? block - depth : 0n;
}

function lower(known: bigint | null, block: bigint): bigint {
  return known !== null && known < block ? known : block;
}

/** Starts at the chain's present block. */
export function startFollower(options: FollowerOptions): Follower {
  const { chain, escrow, provider, log, pollMs } = options;
  const now = options.now ?? Date.now;
  /** One chain: should a block of it go, all above it have gone. */
  const seen = new Map<bigint, Hex>();
  /** Blocks noted since the last look, perhaps of several forks; by hash. */
  const noted = new Map<Hex, bigint>();
  let head: bigint | null = null;
  /** What lies above has gone and nobody could be told yet. */
  let undoneAbove: bigint | null = null;
  let heardAt = -Infinity;
  let polling: Promise<void> | null = null;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let isStopped = false;

  async function hashAt(block: bigint): Promise<Hex | null> {
    const found = await chain.public.getBlock({ blockNumber: block }).catch((error) => {
      if ((error as Error).name === "BlockNotFoundError") return null;
      throw error;
    });
    return found?.hash ?? null;
  }

  /** The highest block of the chain we saw that is still there; those above are forgotten. */
  async function commonBlock(known: bigint): Promise<bigint> {
    for (const block of [...seen.keys()].sort((a, b) => a < b ? 1 : -1)) {
      if (await hashAt(block) === seen.get(block)) return block;
      seen.delete(block);
      undoneAbove = lower(undoneAbove, known);
    }
    return before(known);
  }

  /** The block above which something that we rest on has gone; null when nothing has. */
  async function findUndone(known: bigint): Promise<bigint | null> {
    const common = await commonBlock(known);
    for (const [hash, block] of noted) {
      if (await hashAt(block) !== hash) undoneAbove = lower(undoneAbove, block - 1n);
      noted.delete(hash);
    }
    if (undoneAbove !== null) undoneAbove = lower(undoneAbove, common);
    return undoneAbove;
  }

  function remember({ number, hash }: BlockId): void {
    seen.set(number, hash);
    if (seen.size > REMEMBERED_MAX) seen.delete(seen.keys().next().value!);
  }

  async function eventsBetween(from: bigint, to: bigint): Promise<EscrowEvent[]> {
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

  async function look(): Promise<void> {
    const latest = await chain.public.getBlock({ blockTag: "latest" });
    let read = head === null ? await begin(latest.number) : await undo(head);
    while (read < latest.number) {
      const to: bigint = read + RANGE_MAX < latest.number ? read + RANGE_MAX : latest.number;
      const events = await eventsBetween(read + 1n, to);
      if (events.length > 0) await options.onEvents(events);
      read = head = to;
    }
    head = read;
    remember(latest);
    heardAt = now();
  }

  /** What an earlier process saw of the last blocks may have been undone since. */
  async function begin(latest: bigint): Promise<bigint> {
    await options.onReorg(before(latest));
    return latest;
  }

  /** The block up to which what we know still holds. */
  async function undo(known: bigint): Promise<bigint> {
    const common = await findUndone(known);
    if (common === null) return known;
    log.warn("the chain was reorganised", { from: common });
    await options.onReorg(common);
    undoneAbove = null;
    return common < known ? common : known;
  }

  async function poll(): Promise<void> {
    polling ??= look()
      .catch((error) => log.debug("chain events not read", { error: String(error).slice(0, 100) }))
      .finally(() => polling = null);
    await polling;
  }

  function schedule(): void {
    if (isStopped) return;
    timer = setTimeout(() => poll().then(schedule), pollMs);
  }

  poll().then(schedule);
  return {
    poll,
    note: ({ number, hash }) => void noted.set(hash, number),
    ageMs: () => now() - heardAt,
    isCurrent: () => now() - heardAt <= 3 * pollMs,
    async stop() {
      isStopped = true;
      if (timer) clearTimeout(timer);
      await polling;
    },
  };
}

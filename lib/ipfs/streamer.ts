/** Files by way of the cache: no more than some blocks of one are in memory. */
import { type CID, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import type { BlockCache } from "./cache.ts";
import type { CachePart } from "./cache_part.ts";
import type { Fetcher, FetchNotes, KeptSource } from "./fetcher.ts";
import { retrieveInto } from "./retrieve.ts";
import type { Found, Sources, Wanted } from "./sources.ts";
import { refusedBytes } from "./unixfs.ts";
import type { FileSink } from "./unixfs_stream.ts";

export interface StreamerParts {
  kept: KeptSource | undefined;
  cache: BlockCache;
  sources: Sources;
  notes: FetchNotes | undefined;
}

export interface Streamer {
  readonly file: NonNullable<Fetcher["streamFile"]>;
  readonly bring: NonNullable<Fetcher["bring"]>;
}

/** Who comes second for a file finds it in the cache, or hears of the same failure. */
export function streamer(parts: StreamerParts): Streamer {
  const streams = new Map<string, Promise<void>>();
  const inTurn = async (cid: CID, stream: () => Promise<void>) => {
    const key = formatCid(cid);
    const before = streams.get(key) ?? Promise.resolve();
    const streaming = before.then(stream, (error) => {
      if (isEverybodys(error)) throw error;
      return stream();
    });
    streams.set(key, streaming);
    try {
      await streaming;
    } finally {
      if (streams.get(key) === streaming) streams.delete(key);
    }
  };
  return {
    file: (cid, { maxBytes, signal = NEVER_ABORTED }, sink) =>
      inTurn(cid, () => streamOnce(parts, cid, { maxBytes, signal }, sink)),
    bring: (cid, maxBytes) => inTurn(cid, () => bringOnce(parts, cid, maxBytes)),
  };
}

/** Not that its one reader left, nor that it was larger than that one wanted. */
function isEverybodys(error: unknown): boolean {
  return error instanceof KhachapuriError && refusedBytes(error) === null;
}

async function streamOnce(
  parts: StreamerParts,
  cid: CID,
  wanted: Wanted,
  sink: FileSink,
): Promise<void> {
  const { kept, cache, notes } = parts;
  const { maxBytes } = wanted;
  if (await kept?.streamFile(cid, maxBytes, sink)) return notes?.read("kept");
  if (await cache.stream(cid, maxBytes, sink)) return notes?.read("cache");
  using stack = new DisposableStack();
  const { value: part, source } = await findPart(parts, cid, wanted, stack).catch((error) => {
    notes?.read("nowhere");
    throw error;
  });
  // It is read from here whether or not it can stay.
  await part.keep().catch(() => {});
  await part.stream(maxBytes, sink);
  notes?.read(source);
}

async function bringOnce(parts: StreamerParts, cid: CID, maxBytes: number): Promise<void> {
  const { kept, cache } = parts;
  if (await kept?.streamFile(cid, maxBytes, NOWHERE)) return;
  if (await cache.stream(cid, maxBytes, NOWHERE)) return;
  using stack = new DisposableStack();
  const wanted = { maxBytes, signal: NEVER_ABORTED, isForPeer: true };
  const { value: part } = await findPart(parts, cid, wanted, stack);
  await part.keep();
}

/** Its blocks, in the cache's folder: to be kept, else gone with `stack`. */
async function findPart(
  { cache, sources }: StreamerParts,
  cid: CID,
  wanted: Wanted,
  stack: DisposableStack,
): Promise<Found<CachePart>> {
  // One of each gateway that is asked: those that were too late go.
  return await sources.find(cid, wanted, async (gateway, retrieval) => {
    const begun = await cache.begin(cid);
    try {
      stack.use(begun); // which throws where all is over by now
      await retrieveInto(begun, gateway, cid, wanted.maxBytes, retrieval);
      return begun;
    } catch (error) {
      if (wanted.isForPeer && isUnfit(error)) await begun.keep().catch(() => {});
      begun[Symbol.dispose]();
      throw error;
    }
  });
}

/** Every block was what it should be, and what they make is not to be had here. */
function isUnfit(error: unknown): boolean {
  return error instanceof KhachapuriError && error.code === "invalid_input";
}

const NEVER_ABORTED = new AbortController().signal;
/** What is read into it was only to be looked at. */
const NOWHERE: FileSink = { begin() {}, write() {} };

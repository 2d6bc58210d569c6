/**
 * Files from IPFS over trustless gateways: every byte is checked, several gateways are asked, what
 * was verified is cached, and readers of the same content share one retrieval.
 */
import { type CID, formatCid } from "../cid.ts";
import type { BlockCache } from "./cache.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { Fetcher, FetchNotes, KeptSource, ReadOptions } from "./fetcher.ts";
import { type Network, resolveHost } from "./http.ts";
import type { Peers } from "./peers.ts";
import { retrieveFile } from "./retrieve.ts";
import { Sources } from "./sources.ts";
import { streamer } from "./streamer.ts";
import type { FileSink } from "./unixfs_stream.ts";

export type { Fetcher, FetchNotes, KeptSource, ReadOptions };

export interface FetcherOptions {
  /** Asked first. */
  kept?: KeptSource;
  /** Base URLs of trustless gateways in the order in which to ask them. */
  gateways: readonly string[];
  /** Asked before any gateway. */
  peers?: Peers | null;
  cache: BlockCache | null;
  notes?: FetchNotes;
  fetch?: typeof fetch;
  resolve?: Network["resolve"];
  clock?: Clock;
}

/** One retrieval and how many readers wait for it. */
interface Shared {
  file: Promise<Uint8Array>;
  readers: number;
  controller: AbortController;
}

/** Reads a file for those who share it. */
type Load = (cid: CID, maxBytes: number, signal: AbortSignal) => Promise<Uint8Array>;

/** Makes the reader of IPFS content that everything in one process shares. */
export function createFetcher(options: FetcherOptions): Fetcher {
  const { cache, kept, notes, peers = null, clock = systemClock } = options;
  const network: Network = {
    fetch: options.fetch ?? fetch,
    resolve: options.resolve ?? resolveHost,
    now: () => clock.now(),
  };
  const sources = new Sources({
    gateways: options.gateways,
    peers,
    isKeeping: kept !== undefined,
    network,
    clock,
    asked: notes && ((gateway, outcome) => notes.asked(gateway, outcome)),
  });
  const streams = cache && streamer({ kept, cache, sources, notes });
  const load = peers && streams ? wholeBy(streams.file) : loader({ kept, cache, sources, notes });
  const shared = new Map<string, Shared>();
  const share = (key: string, cid: CID, maxBytes: number): Shared => {
    const controller = new AbortController();
    const drop = () => {
      if (shared.get(key) === entry) shared.delete(key);
    };
    const file = load(cid, maxBytes, controller.signal).finally(drop);
    // When every reader has left before it fails, nobody handles the failure.
    file.catch(() => {});
    controller.signal.addEventListener("abort", drop);
    const entry = { file, readers: 0, controller };
    shared.set(key, entry);
    return entry;
  };
  return {
    readFile(cid, { maxBytes, signal }) {
      const key = `${formatCid(cid)} ${maxBytes}`;
      return join(shared.get(key) ?? share(key, cid, maxBytes), signal);
    },
    ...(streams && { streamFile: streams.file, bring: streams.bring }),
    async judge(cid, isUseful) {
      await cache?.judge(cid, isUseful);
    },
  };
}

interface Ground {
  kept: KeptSource | undefined;
  cache: BlockCache | null;
  sources: Sources;
  notes: FetchNotes | undefined;
}

/** In memory, and from there into the cache. */
function loader({ kept, cache, sources, notes }: Ground): Load {
  return async (cid, maxBytes, signal) => {
    const here = await kept?.readFile(cid, maxBytes);
    if (here) return noted(here, "kept");
    const cached = await cache?.get(cid, maxBytes);
    if (cached) return noted(cached, "cache");
    const found = await sources.find(cid, { maxBytes, signal }, (gateway, retrieval) => {
      return retrieveFile(gateway, cid, maxBytes, retrieval);
    }).catch((error) => {
      notes?.read("nowhere");
      throw error;
    });
    await cache?.put(cid, found.value.blocks);
    return noted(found.value.bytes, found.source);
  };

  function noted(bytes: Uint8Array, source: Parameters<FetchNotes["read"]>[0]): Uint8Array {
    notes?.read(source);
    return bytes;
  }
}

/** Into the cache, as a peer that asks for the same has it then, and from there into memory. */
function wholeBy(streamFile: NonNullable<Fetcher["streamFile"]>): Load {
  return async (cid, maxBytes, signal) => {
    const sink = new WholeFile();
    await streamFile(cid, { maxBytes, signal }, sink);
    return sink.bytes;
  };
}

class WholeFile implements FileSink {
  bytes = new Uint8Array();
  #at = 0;

  begin(fileBytes: number): void {
    this.bytes = new Uint8Array(fileBytes);
    this.#at = 0;
  }

  write(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }
}

/** Waits for a shared retrieval; the last reader to leave ends it. */
async function join(shared: Shared, signal: AbortSignal | undefined): Promise<Uint8Array> {
  shared.readers++;
  let leave: (() => void) | undefined;
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal?.reason);
    if (signal?.aborted) leave();
    signal?.addEventListener("abort", leave);
  });
  try {
    return await Promise.race([shared.file, left]);
  } finally {
    signal?.removeEventListener("abort", leave!);
    if (--shared.readers === 0) shared.controller.abort();
  }
}

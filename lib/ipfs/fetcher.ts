/** What reads files by their cids, and what it stands on. */
import type { CID } from "../cid.ts";
import type { Found } from "./sources.ts";
import type { FileSink } from "./unixfs_stream.ts";

export interface ReadOptions {
  /** Largest file to accept. */
  maxBytes: number;
  signal?: AbortSignal;
}

export interface Fetcher {
  /**
   * The file `cid`, every byte checked against it. The bytes may be shared with other readers and
   * must not be changed.
   * @throws KhachapuriError `not_found` when every gateway says so; `ipfs_unavailable` when asking
   * again may help (with `retryAfterSeconds` where known); `ipfs_mismatch` when gateways only lied;
   * `invalid_input` when the content is not a file, or larger than `maxBytes` (`data.fileBytes`)
   */
  readFile(cid: CID, options: ReadOptions): Promise<Uint8Array>;
  /**
   * As `readFile`, piece by piece: of the file itself no more than some blocks are in memory. Where
   * it is absent a file is read whole.
   * @throws KhachapuriError as `readFile`, and whatever the sink throws
   */
  streamFile?(cid: CID, options: ReadOptions, sink: FileSink): Promise<void>;
  /** Whether what was read is worth keeping on disk; until its reader says so it hardly is. */
  judge(cid: CID, isUseful: boolean): Promise<void>;
  /**
   * Has the file here for a peer that asks its home: kept, or in the cache, into which it comes
   * from gateways, which are asked once for all who want it. Of a file that is refused there is
   * what was had of it, so that the peer sees for itself. Absent where there is no cache.
   * @throws KhachapuriError as `readFile`
   */
  bring?(cid: CID, maxBytes: number): Promise<void>;
}

/** Files that are kept on this machine, and need no gateway. */
export interface KeptSource {
  /** Verified; null when it is not kept here. @throws KhachapuriError `invalid_input` */
  readFile(cid: CID, maxBytes: number): Promise<Uint8Array | null>;
  /** The same into a sink; false when it is not kept here. */
  streamFile(cid: CID, maxBytes: number, sink: FileSink): Promise<boolean>;
}

/** Is told where files were found, and how gateways answered. */
export interface FetchNotes {
  read(source: "kept" | "cache" | Found<unknown>["source"] | "nowhere"): void;
  /** @param gateway host and port */
  asked(gateway: string, outcome: "answered" | "failed" | "dropped"): void;
}

/**
 * Files from IPFS over trustless gateways: every byte is checked, several gateways are asked, what
 * was verified is cached, and readers of the same content share one retrieval.
 */
import { type CID, formatCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { IPFS_DEADLINE_MS } from "../limits.ts";
import type { BlockCache } from "./cache.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type Network, resolveHost } from "./http.ts";
import { Operator } from "./operator.ts";
import { race, type Racer } from "./race.ts";
import { type Gateway, type Retrieval, retrieveFile, retrieveInto } from "./retrieve.ts";
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
  read(source: "kept" | "cache" | "gateways" | "nowhere"): void;
  /** @param gateway host and port */
  asked(gateway: string, outcome: "answered" | "failed" | "dropped"): void;
}

export interface FetcherOptions {
  /** Asked first. */
  kept?: KeptSource;
  /** Base URLs of trustless gateways in the order in which to ask them. */
  gateways: readonly string[];
  cache: BlockCache | null;
  notes?: FetchNotes;
  fetch?: typeof fetch;
  resolve?: Network["resolve"];
  clock?: Clock;
}

/** A gateway and how its operator behaved; gateways of one operator share that. */
interface Candidate extends Gateway {
  operator: Operator;
}

/** One retrieval and how many readers wait for it. */
interface Shared {
  file: Promise<Uint8Array>;
  readers: number;
  controller: AbortController;
}

/** Hosts of one operator: what one of them lacks, or lies about, the others do, too. */
const PROTOCOL_LABS = ["ipfs.io", "dweb.link", "trustless-gateway.link", "w3s.link"];

/** Makes the reader of IPFS content that everything in one process shares. */
export function createFetcher(options: FetcherOptions): Fetcher {
  const { cache, clock = systemClock } = options;
  const network: Network = {
    fetch: options.fetch ?? fetch,
    resolve: options.resolve ?? resolveHost,
    now: () => clock.now(),
  };
  const candidates = listCandidates(options.gateways, network.now);
  const shared = new Map<string, Shared>();

  const load = async (cid: CID, maxBytes: number, signal: AbortSignal) => {
    const kept = await options.kept?.readFile(cid, maxBytes);
    if (kept) return noted(kept, "kept");
    const cached = await cache?.get(cid, maxBytes);
    if (cached) return noted(cached, "cache");
    const file = await ask(cid, signal, (candidate, retrieval) => {
      return retrieveFile(candidate, cid, maxBytes, retrieval);
    });
    await cache?.put(cid, file.blocks);
    return noted(file.bytes, "gateways");
  };
  const ask = async <T>(cid: CID, signal: AbortSignal, fetchFrom: Ask<T>): Promise<T> => {
    const { notes } = options;
    try {
      if (options.kept && candidates.length === 0) throw notKept(cid);
      const world = { network, clock, signal, ...(notes ? { notes } : {}) };
      return await retrieve(candidates, cid, fetchFrom, world);
    } catch (error) {
      notes?.read("nowhere");
      throw error;
    }
  };
  const noted = (bytes: Uint8Array, source: "kept" | "cache" | "gateways") => {
    options.notes?.read(source);
    return bytes;
  };
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
    ...(cache && { streamFile: streamer({ ...options, cache, ask }) }),
    async judge(cid, isUseful) {
      await cache?.judge(cid, isUseful);
    },
  };
}

interface Streaming extends Pick<FetcherOptions, "kept" | "notes"> {
  cache: BlockCache;
  ask: <T>(cid: CID, signal: AbortSignal, fetchFrom: Ask<T>) => Promise<T>;
}

/** Who comes second for a file finds it in the cache, or hears of the same failure. */
function streamer(options: Streaming): NonNullable<Fetcher["streamFile"]> {
  const streams = new Map<string, Promise<void>>();
  return async (cid, read, sink) => {
    const key = formatCid(cid);
    const before = streams.get(key) ?? Promise.resolve();
    const streaming = before.then(() => streamOnce(options, cid, read, sink));
    streams.set(key, streaming);
    try {
      await streaming;
    } finally {
      if (streams.get(key) === streaming) streams.delete(key);
    }
  };
}

async function streamOnce(
  { kept, cache, ask, notes }: Streaming,
  cid: CID,
  { maxBytes, signal = NEVER_ABORTED }: ReadOptions,
  sink: FileSink,
): Promise<void> {
  if (await kept?.streamFile(cid, maxBytes, sink)) return notes?.read("kept");
  if (await cache.stream(cid, maxBytes, sink)) return notes?.read("cache");
  // Of each gateway that is asked: those that were too late go.
  using parts = new DisposableStack();
  const part = await ask(cid, signal, async (candidate, retrieval) => {
    const begun = await cache.begin(cid);
    try {
      parts.use(begun); // which throws where all is over by now
      await retrieveInto(begun, candidate, cid, maxBytes, retrieval);
      return begun;
    } catch (error) {
      begun[Symbol.dispose]();
      throw error;
    }
  });
  // It is read from here whether or not it can stay.
  await part.keep().catch(() => {});
  await part.stream(maxBytes, sink);
  notes?.read("gateways");
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

function listCandidates(gateways: readonly string[], now: () => number): Candidate[] {
  const operators = new Map<string, Operator>();
  return gateways.map((gateway) => {
    const base = new URL(gateway.endsWith("/") ? gateway : `${gateway}/`);
    const known = PROTOCOL_LABS.some((name) =>
      base.host === name || base.host.endsWith(`.${name}`)
    );
    const name = known ? "protocol labs" : base.origin;
    const operator = operators.get(name) ?? new Operator(now);
    operators.set(name, operator);
    return { base, withoutCar: false, operator };
  });
}

/** How one gateway is asked. */
type Ask<T> = (gateway: Gateway, retrieval: Retrieval) => Promise<T>;

const NEVER_ABORTED = new AbortController().signal;

interface World {
  network: Network;
  clock: Clock;
  signal: AbortSignal;
  notes?: FetchNotes;
}

/** Races the gateways that may be asked now, within the overall deadline. */
async function retrieve<T>(
  candidates: readonly Candidate[],
  cid: CID,
  fetchFrom: Ask<T>,
  world: World,
): Promise<T> {
  const { network, clock, notes } = world;
  const usable = candidates.filter(({ operator }) => operator.mayBeAsked());
  if (usable.length === 0) throw nobodyToAsk(candidates);
  const deadline = new AbortController();
  const cancel = clock.after(IPFS_DEADLINE_MS, () => deadline.abort(tooLate(cid)));
  try {
    const result = await race(usable.map((candidate) => racer(candidate)), {
      clock,
      signal: AbortSignal.any([world.signal, deadline.signal]),
      isFinal: (error) => isOurs(error) || (error as KhachapuriError).code === "invalid_input",
    });
    if (result.won) return result.value;
    throw allFailed(cid, result.errors);
  } finally {
    cancel();
  }

  function racer(candidate: Candidate): Racer<T> {
    return async (signal, progress) => {
      const asking = candidate.operator.ask();
      const end = (outcome: "answered" | "dropped") => {
        asking[outcome]();
        notes?.asked(candidate.base.host, outcome);
      };
      try {
        const got = await fetchFrom(candidate, { network, signal, progress });
        end("answered");
        return got;
      } catch (error) {
        if (signal.aborted || isOurs(error)) end("dropped");
        else if (isAnswer(error)) end("answered");
        else {
          asking.failed(error);
          notes?.asked(candidate.base.host, "failed");
        }
        throw error;
      }
    };
  }
}

/** A disk that is full, say: no gateway's failure, and no other gateway helps. */
function isOurs(error: unknown): boolean {
  return !(error instanceof KhachapuriError);
}

/** What a gateway that works can say of content. */
function isAnswer(error: unknown): boolean {
  return error instanceof KhachapuriError &&
    (error.code === "not_found" || error.code === "invalid_input");
}

function allFailed(cid: CID, errors: readonly unknown[]): KhachapuriError {
  const cause = new AggregateError(errors, "what the gateways said");
  const failures = errors.filter((error) => error instanceof KhachapuriError);
  const count = (code: string) => failures.filter((error) => error.code === code).length;
  const [absent, lies] = [count("not_found"), count("ipfs_mismatch")];
  if (absent === errors.length) {
    return new KhachapuriError("not_found", `no gateway has ${formatCid(cid)}`, {
      cause,
      hints: [
        "one wrong letter makes another cid: compare it with the one that deploy printed",
        "else publish it first, or add a gateway that has it to `gateways` in config.json",
      ],
    });
  }
  if (absent + lies === errors.length) {
    const message = `what gateways sent for ${formatCid(cid)} is not that content`;
    return new KhachapuriError("ipfs_mismatch", message, { cause, hints: LIAR_HINTS });
  }
  const waits = failures.flatMap(({ retryAfterSeconds }) => retryAfterSeconds ?? []);
  return new KhachapuriError(
    "ipfs_unavailable",
    `${errors.length} gateway${errors.length === 1 ? "" : "s"} asked, none delivered ${
      formatCid(cid)
    }`,
    { cause, hints: UNAVAILABLE_HINTS, retryAfterSeconds: Math.min(...waits, 10) },
  );
}

const LIAR_HINTS = ["a gateway that sends wrong bytes is not asked again; configure another one"];
const UNAVAILABLE_HINTS = ["check that the `gateways` in config.json can be reached from here"];

function nobodyToAsk(candidates: readonly Candidate[]): KhachapuriError {
  if (candidates.length === 0) {
    return new KhachapuriError("ipfs_unavailable", "no IPFS gateway is configured", {
      hints: ["name a trustless gateway in `gateways` of config.json"],
    });
  }
  const honest = candidates.filter(({ operator }) => !operator.hasLied());
  if (honest.length === 0) {
    const message = "every configured gateway has sent wrong bytes";
    return new KhachapuriError("ipfs_mismatch", message, { hints: LIAR_HINTS });
  }
  return new KhachapuriError("ipfs_unavailable", "every IPFS gateway asked us to wait", {
    retryAfterSeconds: Math.min(...honest.map(({ operator }) => operator.waitSeconds())),
  });
}

function notKept(cid: CID): KhachapuriError {
  const message = `${formatCid(cid)} is not kept here, and no IPFS gateway is asked`;
  return new KhachapuriError("not_found", message, {
    hints: [
      "one wrong letter makes another cid: compare it with the one that deploy printed",
      "else deploy it to this provider, or name a trustless gateway in `gateways` of config.json",
    ],
  });
}

function tooLate(cid: CID): KhachapuriError {
  return new KhachapuriError(
    "ipfs_unavailable",
    `${formatCid(cid)} did not arrive within ${IPFS_DEADLINE_MS / 1_000} s`,
    { hints: UNAVAILABLE_HINTS },
  );
}

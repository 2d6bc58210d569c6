/**
 * One file from one gateway: as a CAR in one request where the gateway does that, block by block
 * where it does not or where its CAR ends too early. What either way brings is verified first.
 */
import { blockKey, type CID, formatCid, isContentOf, RAW } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";
import { Leisure } from "../leisure.ts";
import {
  BLOCK_BYTES_MAX,
  CAR_SLACK_BYTES,
  DAG_VISITS_MAX,
  EARLY_BYTES_MAX,
  GATEWAY_BLOCKS_IN_FLIGHT_MAX,
} from "../limits.ts";
import { type ByteSource, streamSource } from "../byte_source.ts";
import { type CarBlock, CarReader, mismatch, type Place } from "./car.ts";
import { type GatewayAnswer, type Network, requestGateway } from "./http.ts";
import type { CachePart } from "./cache_part.ts";
import { type BlockSource, readUnixfsFile, type UnixfsFile } from "./unixfs.ts";
import { type FileSink, type StreamSource, streamUnixfsFile } from "./unixfs_stream.ts";

const CAR_TYPE = "application/vnd.ipld.car";
const CAR_ACCEPT = `${CAR_TYPE}; version=1; order=dfs; dups=y`;
const RAW_TYPE = "application/vnd.ipld.raw";

/** A gateway and whether it serves CARs, as far as we know. */
export interface Gateway {
  /** Ends with a slash; `ipfs/{cid}` is relative to it. */
  base: URL;
  /** It answered a CAR request with something else. */
  withoutCar: boolean;
  /** Header fields for it alone. */
  ownFields?: Readonly<Record<string, string>>;
}

export interface Retrieval {
  network: Network;
  signal: AbortSignal;
  /** Told the bytes of every piece that arrives. */
  progress(bytes: number): void;
}

/**
 * Fetches and verifies the file `root` from `gateway`.
 * @throws KhachapuriError `not_found`, `ipfs_unavailable`, `ipfs_mismatch` (this gateway lies),
 * `invalid_input` (the content itself is not acceptable, from whomever it comes)
 */
export async function retrieveFile(
  gateway: Gateway,
  root: CID,
  maxBytes: number,
  retrieval: Retrieval,
): Promise<UnixfsFile> {
  const blocks = singleBlocks(gateway, retrieval);
  if (root.code === RAW || gateway.withoutCar) return await readUnixfsFile(root, blocks, maxBytes);
  const source = carThenBlocks(gateway, root, retrieval, blocks);
  try {
    return await readUnixfsFile(root, source, maxBytes);
  } finally {
    source.cancel();
  }
}

/**
 * As `retrieveFile`, its blocks into `part`.
 * @throws KhachapuriError as `retrieveFile`, and what the part fails with
 */
export async function retrieveInto(
  part: CachePart,
  gateway: Gateway,
  root: CID,
  maxBytes: number,
  retrieval: Retrieval,
): Promise<void> {
  const blocks = singleBlocks(gateway, retrieval);
  const isSingle = root.code === RAW || gateway.withoutCar;
  const car = isSingle ? null : carThenBlocks(gateway, root, retrieval, blocks, EARLY_BYTES_MAX);
  const source: BlockSource = car ?? blocks;
  const once: StreamSource = {
    async get(cid) {
      const known = await part.get(cid);
      if (known) return known;
      const bytes = await source.get(cid);
      await part.add({ cid, bytes });
      return bytes;
    },
    announce: (children, fileBytes) => source.announce?.(children, fileBytes),
  };
  try {
    await streamUnixfsFile(root, once, maxBytes, NOWHERE);
  } finally {
    car?.cancel();
  }
}

/** Only that it is a file, and which blocks it has, is looked at. */
const NOWHERE: FileSink = { begin() {}, write() {} };

/** Blocks out of one CAR, whatever their order; what it does not hold comes from `fallback`. */
function carThenBlocks(
  gateway: Gateway,
  root: CID,
  retrieval: Retrieval,
  fallback: BlockSource,
  earlyBytesMax = Infinity,
): BlockSource & { cancel(): void } {
  const limits = { bytesMax: CAR_SLACK_BYTES, blocksMax: DAG_VISITS_MAX };
  const early = new EarlyBlocks(gateway, earlyBytesMax);
  let car: CarReader | "not asked for" | "none" = "not asked for";

  const next = async (place?: Place) => {
    if (car === "not asked for") car = await openCar(gateway, root, retrieval, limits) ?? "none";
    return car === "none" ? null : await car.next(place);
  };
  const fromCar = async (wanted: string, place?: Uint8Array): Promise<CarBlock | null> => {
    const wish = place && { key: wanted, bytes: place };
    for (let block = await next(wish); block !== null; block = await next(wish)) {
      const key = blockKey(block.cid);
      if (key === wanted) return block;
      await block.verified;
      early.add(key, block.bytes);
    }
    return null;
  };
  const verifiedFromCar = async (wanted: string): Promise<Uint8Array | null> => {
    const block = await fromCar(wanted);
    await block?.verified;
    return block && block.bytes;
  };
  return {
    async get(cid) {
      const key = blockKey(cid);
      return early.take(key) ?? await unlessBroken(verifiedFromCar(key)) ?? await fallback.get(cid);
    },
    async getLeaf(cid, place) {
      const key = blockKey(cid);
      const bytes = early.take(key);
      const block = bytes ? null : await unlessBroken(fromCar(key, place));
      if (block) return block;
      return { bytes: bytes ?? await fallback.get(cid), verified: Promise.resolve() };
    },
    announce(children, fileBytes) {
      limits.bytesMax = Math.max(limits.bytesMax, CAR_SLACK_BYTES + 1.25 * fileBytes);
      fallback.announce?.(children, fileBytes);
    },
    cancel() {
      if (typeof car !== "string") car.cancel();
    },
  };

  async function unlessBroken<T>(reading: Promise<T>): Promise<T | null> {
    try {
      return await reading;
    } catch (error) {
      retrieval.signal.throwIfAborted();
      // Cut off, malformed or too much: what came so far is verified, the rest comes singly.
      // An answer that is no CAR, and wrong bytes, are for the caller.
      if (car === "not asked for" || hasCode(error, "ipfs_mismatch")) throw error;
      car = "none";
      return null;
    }
  }
}

/** Blocks that a CAR has before their turn. */
class EarlyBlocks {
  readonly #blocks = new Map<string, Uint8Array>();
  readonly #delivered = new Set<string>();
  #bytes = 0;

  constructor(private readonly gateway: Gateway, private readonly bytesMax: number) {}

  /** @throws KhachapuriError `ipfs_unavailable` when they are too many to be kept */
  add(key: string, bytes: Uint8Array): void {
    if (this.#delivered.has(key) || this.#blocks.has(key)) return;
    this.#blocks.set(key, bytes.slice());
    this.#bytes += bytes.length;
    if (this.#bytes > this.bytesMax) throw unavailable(this.gateway, "sends blocks in no order");
  }

  /** It is wanted now, and once. */
  take(key: string): Uint8Array | undefined {
    const bytes = this.#blocks.get(key);
    this.#blocks.delete(key);
    this.#bytes -= bytes?.length ?? 0;
    this.#delivered.add(key);
    return bytes;
  }
}

/** @returns null when this gateway does no CAR */
async function openCar(
  gateway: Gateway,
  root: CID,
  retrieval: Retrieval,
  limits: { bytesMax: number; blocksMax: number },
) {
  const url = blockUrl(gateway, root, "car");
  url.searchParams.set("dag-scope", "entity");
  const answer = await requestGateway(retrieval.network, {
    url,
    accept: CAR_ACCEPT,
    ownFields: gateway.ownFields,
    signal: retrieval.signal,
  });
  if (answer !== null && isCar(answer.contentType)) {
    return new CarReader(bodyOf(answer, retrieval), limits);
  }
  await answer?.body.cancel().catch(() => {});
  gateway.withoutCar = true;
  return null;
}

function isCar(contentType: string): boolean {
  const [type, ...parameters] = contentType.split(";").map((part) => part.trim());
  const version = parameters.find((parameter) => parameter.startsWith("version="));
  return type === CAR_TYPE && (version === undefined || version === "version=1");
}

/** Blocks one request each, a few at a time, in the order in which the walk will want them. */
function singleBlocks(gateway: Gateway, retrieval: Retrieval): BlockSource {
  const started = new Map<string, Promise<Uint8Array>>();
  const leisure = new Leisure();
  const delivered = new Set<string>();
  let upcoming: CID[] = [];

  const start = (cid: CID) => {
    const key = blockKey(cid);
    if (cid.multihash.code === 0 || delivered.has(key) || started.has(key)) return;
    const fetching = fetchBlock(gateway, cid, retrieval, leisure);
    // `get` awaits it and throws its failure; one that comes before would count as unhandled.
    fetching.catch(() => {});
    started.set(key, fetching);
  };
  return {
    async get(cid) {
      const key = blockKey(cid);
      start(cid);
      while (started.size < GATEWAY_BLOCKS_IN_FLIGHT_MAX && upcoming.length > 0) {
        start(upcoming.shift()!);
      }
      const bytes = await started.get(key)!;
      started.delete(key);
      delivered.add(key);
      return bytes;
    },
    announce(children) {
      upcoming = [...children, ...upcoming];
    },
  };
}

async function fetchBlock(
  gateway: Gateway,
  cid: CID,
  retrieval: Retrieval,
  leisure: Leisure,
): Promise<Uint8Array> {
  const answer = await requestGateway(retrieval.network, {
    url: blockUrl(gateway, cid, "raw"),
    accept: RAW_TYPE,
    ownFields: gateway.ownFields,
    signal: retrieval.signal,
  });
  // A captcha or an error page with status 200 makes the gateway useless now, but not a liar.
  if (
    answer === null || !/^application\/(vnd\.ipld\.raw|octet-stream)\b/.test(answer.contentType)
  ) {
    await answer?.body.cancel().catch(() => {});
    throw unavailable(gateway, "does not answer with blocks");
  }
  const bytes = await readBlock(gateway, bodyOf(answer, retrieval), retrieval.signal);
  const isContent = await leisure.slice(bytes.length, () => isContentOf(cid, bytes));
  if (!isContent) throw mismatch(cid);
  return bytes;
}

async function readBlock(
  gateway: Gateway,
  body: ByteSource,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (let part = await body.read(); part !== null; part = await body.read()) {
      parts.push(part);
      length += part.length;
      if (length > BLOCK_BYTES_MAX) break;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw unavailable(gateway, "broke off in a block", cause);
  } finally {
    body.cancel();
  }
  if (length > BLOCK_BYTES_MAX) throw unavailable(gateway, "sends blocks of more than 2 MiB");
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function bodyOf(answer: GatewayAnswer, retrieval: Retrieval): ByteSource {
  const body = streamSource(answer.body);
  return {
    async read() {
      const bytes = await body.read();
      if (bytes !== null) retrieval.progress(bytes.length);
      return bytes;
    },
    cancel: () => body.cancel(),
  };
}

function blockUrl(gateway: Gateway, cid: CID, format: "car" | "raw"): URL {
  const url = new URL(`ipfs/${formatCid(cid)}`, gateway.base);
  url.searchParams.set("format", format);
  return url;
}

function unavailable(gateway: Gateway, what: string, cause?: unknown): KhachapuriError {
  return new KhachapuriError("ipfs_unavailable", `${gateway.base.host} ${what}`, { cause });
}

function hasCode(error: unknown, code: KhachapuriError["code"]): boolean {
  return error instanceof KhachapuriError && error.code === code;
}

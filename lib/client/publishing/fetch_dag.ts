/**
 * Whole DAGs from trustless gateways, every block checked against its cid: what is copied to
 * another place, and what is read back from one.
 */
import { type Block, blockKey, type CID, formatCid, isContentOf, RAW } from "../../cid.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { readCar } from "../../ipfs/car.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { type Network, requestGateway, resolveHost } from "../../ipfs/http.ts";
import { walkDag } from "./assemble_dag.ts";
import {
  BLOCK_BYTES_MAX,
  CAR_SLACK_BYTES,
  DAG_VISITS_MAX,
  IPFS_DEADLINE_MS,
} from "../../limits.ts";

export interface DagSources {
  /** Base URLs of trustless gateways, asked one after the other. */
  gateways: readonly string[];
  /** Largest DAG, bytes of all its blocks. */
  bytesMax: number;
  /** By which those gateways know who reads. */
  authorization?: string | undefined;
  signal?: AbortSignal | undefined;
}

const CAR_TYPE = "application/vnd.ipld.car";
const CAR_ACCEPT = `${CAR_TYPE}; version=1; order=dfs; dups=n`;
const RAW_ACCEPT = "application/vnd.ipld.raw";

/**
 * The DAG below `root` from the first gateway that delivers all of it.
 * @throws KhachapuriError `not_found` when all say that they have none, else the last failure, with
 *   all of them as its cause; `invalid_input` for content of another kind, or too large
 */
export async function fetchDag(root: CID, sources: DagSources): Promise<Dag> {
  const errors: KhachapuriError[] = [];
  for (const gateway of sources.gateways) {
    try {
      return await fetchFrom(gateway, root, sources);
    } catch (thrown) {
      sources.signal?.throwIfAborted();
      const error = asKhachapuriError(thrown);
      // The same cid is the same content everywhere.
      if (error.code === "invalid_input" || error.code === "internal") throw error;
      errors.push(error);
    }
  }
  throw nobodyDelivers(root, errors);
}

function nobodyDelivers(root: CID, errors: readonly KhachapuriError[]): KhachapuriError {
  const telling = errors.findLast(({ code }) => code !== "not_found");
  const cause = new AggregateError(errors, "what the gateways said");
  if (telling) {
    const message = `${formatCid(root)} could not be read: ${telling.shortMessage}`;
    return telling.toldWith({ message, cause });
  }
  return new KhachapuriError("not_found", `no gateway has ${formatCid(root)}`, {
    cause,
    hints: errors.length > 0 ? [] : ["no gateway is known: --gateway URL names one"],
  });
}

async function fetchFrom(gateway: string, root: CID, sources: DagSources): Promise<Dag> {
  const timeout = AbortSignal.timeout(IPFS_DEADLINE_MS);
  const signal = sources.signal ? AbortSignal.any([sources.signal, timeout]) : timeout;
  const base = new URL(gateway.endsWith("/") ? gateway : `${gateway}/`);
  const { bytesMax, authorization } = sources;
  const ownFields = authorization === undefined ? {} : { authorization };
  const reading: Reading = { base, network: networkNow(), signal, bytesMax, ownFields };
  try {
    const blocks = root.code === RAW ? new Map<string, Block>() : await readAll(reading, root);
    const have = (cid: CID) => blocks.get(blockKey(cid))?.bytes;
    return await walkDag(root, (cid) => have(cid) ?? readBlock(reading, cid), sources.bytesMax);
  } catch (thrown) {
    if (!timeout.aborted) throw thrown;
    throw new KhachapuriError("ipfs_unavailable", `${base.host} takes too long`, { cause: thrown });
  }
}

interface Reading {
  base: URL;
  network: Network;
  signal: AbortSignal;
  bytesMax: number;
  ownFields: Readonly<Record<string, string>>;
}

function networkNow(): Network {
  return { fetch, resolve: resolveHost, now: () => Date.now() };
}

/** What a CAR brings of it; where a gateway has no CARs, or breaks one off, that is not all. */
async function readAll(reading: Reading, root: CID): Promise<Map<string, Block>> {
  const { network, base, signal, bytesMax, ownFields } = reading;
  const url = new URL(`ipfs/${formatCid(root)}?format=car&dag-scope=all`, base);
  const answer = await requestGateway(network, { url, accept: CAR_ACCEPT, ownFields, signal });
  const blocks = new Map<string, Block>();
  if (!answer?.contentType.startsWith(CAR_TYPE)) {
    await answer?.body.cancel();
    return blocks;
  }
  const limits = { bytesMax: bytesMax + CAR_SLACK_BYTES, blocksMax: DAG_VISITS_MAX };
  try {
    for await (const { cid, bytes } of readCar(answer.body, limits)) {
      blocks.set(blockKey(cid), { cid, bytes: onItsOwn(bytes) });
    }
  } catch (thrown) {
    signal.throwIfAborted();
    // A gateway that lies is not asked for the rest; one that breaks off may still have it.
    if (thrown instanceof KhachapuriError && thrown.code === "ipfs_mismatch") throw thrown;
  }
  return blocks;
}

/** A small block is a view of all that came with it; a large one has been put together alone. */
function onItsOwn(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}

async function readBlock(reading: Reading, cid: CID): Promise<Uint8Array> {
  const { network, base, ownFields, signal } = reading;
  const url = new URL(`ipfs/${formatCid(cid)}?format=raw`, base);
  const answer = await requestGateway(network, { url, accept: RAW_ACCEPT, ownFields, signal });
  if (answer === null) {
    throw new KhachapuriError("ipfs_unavailable", `${base.host} is no trustless gateway`);
  }
  const bytes = await readBounded(answer.body, base);
  if (isContentOf(cid, bytes)) return bytes;
  const message = `${base.host} sent other bytes for ${formatCid(cid)}`;
  throw new KhachapuriError("ipfs_mismatch", message);
}

async function readBounded(body: ReadableStream<Uint8Array>, base: URL): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > BLOCK_BYTES_MAX) {
      throw new KhachapuriError("ipfs_mismatch", `${base.host} sent more than a block`);
    }
    parts.push(part);
  }
  return await new Blob(parts as BlobPart[]).bytes();
}

/** After publishing: whether gateways deliver it, as whoever runs it will ask them. */
import { type CID, formatCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Dag } from "../../ipfs/dag.ts";
import { fetchDag } from "./fetch_dag.ts";

/** Reads a published DAG from the gateways; asked twice for one, it reads it once. */
export type ReadBack = (dag: Dag, signal?: AbortSignal) => Promise<void>;

/** How long a gateway is given to find new content, between one attempt and the next. */
const DELAYS_MS: readonly number[] = [500, 2_000, 5_000];

export interface ReadBackWorld {
  read(root: CID, bytesMax: number, signal: AbortSignal | undefined): Promise<unknown>;
  wait(ms: number): Promise<void>;
}

/**
 * A reader that tries again while gateways may not have found it yet. Nothing is read where none
 * is known.
 */
export function gatewayReadBack(
  gateways: readonly string[],
  wait: ReadBackWorld["wait"],
): ReadBack {
  if (gateways.length === 0) return async () => {};
  return readBackWith({
    read: (root, bytesMax, signal) => fetchDag(root, { gateways, bytesMax, signal }),
    wait,
  });
}

export function readBackWith({ read, wait }: ReadBackWorld): ReadBack {
  const reads = new Map<string, Promise<void>>();
  const readWhole = async (dag: Dag, signal: AbortSignal | undefined) => {
    const bytesMax = dag.blocks.reduce((sum, { bytes }) => sum + bytes.length, 0);
    for (const delayMs of [...DELAYS_MS, null]) {
      try {
        return void await read(dag.root, bytesMax, signal);
      } catch (error) {
        if (delayMs === null || !isPassing(error)) throw unreadable(error);
        await wait(delayMs);
      }
    }
  };
  return (dag, signal) => {
    const key = formatCid(dag.root);
    const known = reads.get(key);
    if (known) return known;
    const reading = readWhole(dag, signal);
    // Another destination may bring it later.
    reading.catch(() => reads.delete(key));
    reads.set(key, reading);
    return reading;
  };
}

function isPassing(error: unknown): boolean {
  return error instanceof KhachapuriError &&
    (error.code === "not_found" || error.code === "ipfs_unavailable");
}

function unreadable(thrown: unknown): unknown {
  if (!(thrown instanceof KhachapuriError)) return thrown;
  return thrown.toldWith({
    message: `it was taken, but does not come back: ${thrown.shortMessage}`,
    hints: [
      ...thrown.hints,
      "the gateways of config.json, or --gateway URL, are asked as the provider asks its own",
    ],
  });
}

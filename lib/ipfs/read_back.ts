/** After publishing: which gateways can already deliver it, each asked alone. */
import type { CID } from "../cid.ts";
import { asKhachapuriError, type KhachapuriError } from "../errors.ts";
import { createFetcher, type FetcherOptions } from "./gateway.ts";

/** What one gateway did when asked for the content. */
export interface ReadBack {
  gateway: string;
  /** Milliseconds until the whole file was here and verified, or until the attempt failed. */
  ms: number;
  /** null when the content came and was right. */
  error: KhachapuriError | null;
}

/**
 * Fetches `cid` from each gateway the way a provider will, without a cache.
 * @param options.maxBytes size of the published file
 */
export function readBack(
  cid: CID,
  options: Omit<FetcherOptions, "cache"> & { maxBytes: number; signal?: AbortSignal },
): Promise<ReadBack[]> {
  const { gateways, maxBytes, signal, ...world } = options;
  return Promise.all(gateways.map(async (gateway) => {
    const started = performance.now();
    const fetcher = createFetcher({ ...world, gateways: [gateway], cache: null });
    const read = fetcher.readFile(cid, { maxBytes, ...(signal ? { signal } : {}) });
    const error = await read.then(() => null, asKhachapuriError);
    return { gateway, ms: performance.now() - started, error };
  }));
}

/** What `@khachapuri/x402-credits/file` exports: for Node, Deno and Bun. */
import type { CreditsStore } from "./index.d.ts";

/**
 * Keeps what an instance signed in a file that is replaced as a whole, readable by its owner alone.
 * One instance at a time may use it.
 */
export declare function fileStore(path: string): CreditsStore;

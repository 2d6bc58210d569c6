/** Providers with and without payment, each in a thread, and what is called at them. */
import type { LocalAccount } from "viem";
import type { Market } from "../worlds/market.ts";
import type { ServerOrder, ServerUrls } from "../worlds/payments_server.ts";

/** Credits: more than the fastest machine can use up. */
export const PLENTY = 5_000_000n;

/** Settled in batches that never come, in books of their own, with a slot for every call. */
export const SETTINGS = {
  stateDir: "bench",
  settlement: { intervalSeconds: 360, amount: "1000000000000" },
  sandbox: { concurrency: 1_000 },
};

const LIMITS = {
  timeoutMs: 5_000,
  memoryMb: 64,
  concurrency: 64,
  ownerCreditsPerMinute: 1_000_000,
};

/** What is to be called: a program that says hello, whose owner lets anybody call it. */
export async function deployHello(market: Market, owner?: LocalAccount): Promise<string> {
  return await market.deploy({
    files: { main: "#!/bin/sh\necho hello\n" },
    fields: { limits: LIMITS },
    ...(owner ? { owner } : {}),
  });
}

/** Starts the provider whose home is ordered, four times. */
export async function startServers(
  ordered: ServerOrder,
): Promise<{ worker: Worker; urls: ServerUrls }> {
  const worker = new Worker(new URL("../worlds/payments_server.ts", import.meta.url), {
    type: "module",
  });
  const urls = await new Promise<ServerUrls>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(ordered);
  });
  return { worker, urls };
}

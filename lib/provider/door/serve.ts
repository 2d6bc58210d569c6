/** Starts and stops a provider: opens its parts and listens. */
import { type Config, requireProvider } from "../../config.ts";
import type { Log } from "../../log.ts";
import { listen } from "./listener.ts";
import { createRoutes } from "./routes.ts";
import { openProvider } from "./wiring.ts";

export interface RunningProvider {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  url: string;
  /** Lets runs end (for `graceMs` at most), settles what is due, closes everything. */
  stop(): Promise<void>;
}

export interface ServeOptions {
  log: Log;
  now?: () => number;
  /** How long runs may go on after `stop`, ms. */
  graceMs?: number;
}

/**
 * Starts a provider.
 * @throws KhachapuriError when the configuration, the keys, the chain, the operator's approval or
 * the sandbox would not let it serve; it says what to do
 */
export async function startProvider(
  config: Config,
  { log, now = Date.now, graceMs }: ServeOptions,
): Promise<RunningProvider> {
  const provider = requireProvider(config);
  await using stack = new AsyncDisposableStack();
  const { parts, lock } = await openProvider(config, { log, now }, stack);
  const listener = await listen(config, provider, createRoutes(parts), log);
  await lock.announce(listener.url);
  const owned = stack.move();
  log.info("serving", { url: listener.url, name: provider.name, escrow: parts.seller.escrow });
  return {
    url: listener.url,
    async stop() {
      await listener.stop(graceMs ?? provider.sandbox.timeoutMs);
      await owned.disposeAsync();
    },
  };
}

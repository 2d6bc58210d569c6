/** Starts and stops a provider: opens its parts and listens. */
import {
  type Config,
  type ProviderConfig,
  requireProvider,
  resolveFromHome,
} from "../../config.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import { extendAheadMs } from "../call/paid_time.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { senderOf } from "../http/forwarded.ts";
import type { Handle } from "../http/request.ts";
import { listen, type Listener } from "../wire/listener.ts";
import { takeCommands } from "./commands.ts";
import { createRoutes } from "./routes.ts";
import { openProvider } from "./wiring.ts";

export interface RunningProvider {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  url: string;
  /** Lets runs end (for `graceMs` at most), settles what is due, closes everything. */
  stop(): Promise<void>;
  /** Resolves when it can serve no more: it is to be stopped, and a new process begun. */
  failed: Promise<KhachapuriError>;
  /** Uses the certificate's files as they are now. */
  renewCertificate(): Promise<void>;
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
  const { parts, failed, lock, control } = await openProvider(config, { log, now }, stack);
  const listener = await openListener(config, provider, createRoutes(parts), log);
  await lock.announce(listener.url);
  takeCommands(control, { pid: Deno.pid, url: listener.url, since: now() });
  const owned = stack.move();
  log.info("serving", { url: listener.url, name: provider.name, escrow: parts.seller.escrow });
  return {
    url: listener.url,
    failed,
    renewCertificate: listener.renewCertificate,
    async stop() {
      parts.gate.slots.close();
      parts.records.runLog.followers.close();
      parts.programs.sandboxes.drain();
      const { timeoutMs } = provider.sandbox;
      await listener.stop(graceMs ?? timeoutMs + extendAheadMs(timeoutMs));
      await owned.disposeAsync();
    },
  };
}

/** Listens where the configuration says; port 0 lets the system choose. */
export function openListener(
  config: Config,
  { listen: place, tls, trustedProxies, forwardedField }: ProviderConfig,
  handle: Handle,
  log: Log,
): Promise<Listener> {
  const trusted = { addresses: trustedProxies, field: forwardedField };
  const [, hostname = "127.0.0.1", port = "8402"] = /^(.*):([0-9]+)$/.exec(place) ?? [];
  return listen({
    hostname,
    port: Number(port),
    tls: tls
      ? { cert: resolveFromHome(config, tls.cert), key: resolveFromHome(config, tls.key) }
      : null,
    handle,
    log,
    // Behind a proxy are many callers, who would share its bound.
    networkOf: (address) => trustedProxies.has(address) ? null : addressPrefix(address),
    senderOf: ({ socket, headers }) =>
      senderOf(
        { address: socket.remoteAddress ?? "", isTls: tls !== undefined },
        (name) => headers[name]?.toString() ?? null,
        trusted,
      ),
  });
}

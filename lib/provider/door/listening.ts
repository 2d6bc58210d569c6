/** Where a provider listens, and for whom. */
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import type { Log } from "../../log.ts";
import { asTheyCame, CARRIED_FIELD, carriedSender } from "../handover/carrier.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { senderOf } from "../http/forwarded.ts";
import type { WireUsage } from "../metrics/wire_usage.ts";
import type { Handle } from "../http/request.ts";
import type { CertificateSource } from "../wire/certificate.ts";
import { listen, type Listener } from "../wire/listener.ts";
import type { Place } from "../wire/place.ts";

/** Who is told what of a listener, and what it has. */
export interface ListeningTold {
  log: Log;
  usage: WireUsage;
  /** Of a certificate that is kept here, in the place of files. */
  certificate?: CertificateSource | undefined;
}

/** Listens at `place`; by default where the configuration says, port 0 lets the system choose. */
export function openListener(
  config: Config,
  { listen: said, tls, trustedProxies, forwardedField }: ProviderConfig,
  handle: Handle,
  { log, usage, certificate }: ListeningTold,
  place: Place = placeOf(said),
): Promise<Listener> {
  const trusted = { addresses: trustedProxies, field: forwardedField };
  return listen({
    place,
    tls: certificate ??
      (tls
        ? { cert: resolveFromHome(config, tls.cert), key: resolveFromHome(config, tls.key) }
        : null),
    handle,
    log,
    usage,
    // Behind a proxy are many callers, who would share its bound.
    networkOf: (address) => trustedProxies.has(address) ? null : addressPrefix(address),
    senderOf: ({ socket, headers }) =>
      senderOf(
        { address: socket.remoteAddress ?? "", isTls: (certificate ?? tls) !== undefined },
        (name) => headers[name]?.toString() ?? null,
        trusted,
      ),
  });
}

/** HOST:PORT as the configuration has it. */
export function placeOf(said: string): Extract<Place, { port: number }> {
  const [, hostname = "127.0.0.1", port = "8402"] = /^(.*):([0-9]+)$/.exec(said) ?? [];
  return { hostname, port: Number(port) };
}

/**
 * Listens at a unix socket for requests that came to the process before, whose callers it tells.
 * Nobody else can open it, as it lies in a folder that is the provider's user's alone.
 */
export async function listenForCarried(
  path: string,
  handle: Handle,
  { log, usage }: { log: Log; usage: WireUsage },
): Promise<Listener> {
  await Deno.remove(path).catch(() => {});
  const listener = await listen({
    place: { path },
    tls: null,
    handle: asTheyCame(handle),
    log,
    usage,
    // They are counted where they came.
    networkOf: () => null,
    senderOf: ({ headers }) =>
      carriedSender(headers[CARRIED_FIELD]?.toString()) ?? { address: "", scheme: null },
  });
  await Deno.chmod(path, 0o600);
  return listener;
}

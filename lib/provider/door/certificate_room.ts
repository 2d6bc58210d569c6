/** Opens what keeps a provider's certificate (acme/), from its configuration. */
import { systemClock } from "../../clock.ts";
import { type Config, type ProviderConfig, resolveFromHome } from "../../config.ts";
import {
  type AcmeConfig,
  DIRECTORIES,
  type DnsConfig,
  httpPlaceOf,
  type Rfc2136Config,
  wantedNames,
} from "../../config_acme.ts";
import { KhachapuriError } from "../../errors.ts";
import { readBytes } from "../../files.ts";
import type { Log } from "../../log.ts";
import { parseNameServer } from "../../name_server.ts";
import { readSecretText } from "../../spec/keys.ts";
import { alpnChallenge } from "../acme/alpn_challenge.ts";
import type { Challenger } from "../acme/challenge.ts";
import { type ChangeRecord, dnsChallenge } from "../acme/dns_challenge.ts";
import { systemLookup } from "../acme/dns_spread.ts";
import { changeTxt } from "../acme/dns_update.ts";
import { hookChange } from "../acme/hook.ts";
import { httpChallenge } from "../acme/http_challenge.ts";
import { CertificateKeeper } from "../acme/keeper.ts";
import { certificateMetrics, tlsFolder, withCertificate } from "./certificate_look.ts";
import type { RouteParts } from "./parts.ts";
import { wishOf } from "../acme/status.ts";
import { TlsFolder } from "../acme/tls_folder.ts";

export interface CertificateRoom {
  readonly keeper: CertificateKeeper;
  /** Port 80, where it is listened on; null: it is not. */
  httpPort(): number | null;
  /** The listener listens: what is due is had from now on. */
  start(): Promise<void>;
}

export interface RoomOptions {
  readonly log: Log;
  now(): number;
  /** Of port 80's socket, which listens already; null: none was passed. */
  readonly httpFd?: number | null;
  /** Whether another process may listen there still, whose place this one takes. */
  readonly isSecond?: boolean;
}

/** A room that closes by itself: earlier than the process that it is of, where another follows. */
export interface OwnCertificates extends CertificateRoom {
  close(): Promise<void>;
}

/** @throws KhachapuriError as `openCertificateRoom`; null where the configuration wants none */
export async function openCertificates(
  { config, ...options }: RoomOptions & { config: Config },
  provider: ProviderConfig,
): Promise<OwnCertificates | null> {
  await using stack = new AsyncDisposableStack();
  const room = await openCertificateRoom(config, provider, options, stack);
  const owned = stack.move();
  return room && { ...room, close: () => owned.disposeAsync() };
}

/** The parts, with what is to be said of a certificate that is kept. */
export function watchedBy(
  parts: RouteParts,
  { keeper }: Pick<CertificateRoom, "keeper">,
): RouteParts {
  const metrics = certificateMetrics(() => keeper.report().failures);
  return {
    ...parts,
    health: withCertificate(parts.health, () => keeper.trouble()),
    metrics: [...parts.metrics, ...metrics],
  };
}

/**
 * To be closed with `stack`; null where the configuration wants none.
 * @throws KhachapuriError for files of the configuration that cannot be used
 */
export async function openCertificateRoom(
  config: Config,
  provider: ProviderConfig,
  options: RoomOptions,
  stack: AsyncDisposableStack,
): Promise<CertificateRoom | null> {
  const { acme, webDomain } = provider;
  if (!acme) return null;
  const { now } = options;
  const log = options.log.with({ part: "certificate" });
  const clock = { now, after: systemClock.after };
  const names = wantedNames(webDomain, acme);
  const place = httpPlaceOf(acme);
  const { httpFd: fd = null, isSecond = false } = options;
  const http = place === null ? null : httpChallenge({ place, fd, isSecond, webDomain, log });
  stack.defer(() => http?.close());
  const alpn = alpnChallenge();
  const dns = acme.dns && await openDns(config, acme.dns, now);
  const keeper = await CertificateKeeper.open({
    folder: await TlsFolder.open(tlsFolder(config, provider), log),
    names,
    acme,
    eab: await readEab(config, acme),
    directory: DIRECTORIES[acme.directory] ?? acme.directory,
    rehearsal: acme.directory === "letsencrypt" ? DIRECTORIES["letsencrypt-staging"]! : null,
    wish: wishOf(names, acme),
    challengeOf: (isWildcard) => isWildcard ? "dns-01" : acme.challenge,
    challengers: {
      ...(http ? { "http-01": http } : {}),
      "tls-alpn-01": alpn,
      ...(dns ? { "dns-01": dns } : {}),
    },
    alpn: { isChallenged: alpn.isChallenged, challengePair: alpn.pairOf },
    async prepare() {
      if (acme.challenge === "http-01") await http?.open();
    },
    fetch: await fetchUnder(config, acme, stack),
    chance: Math.random,
    clock,
    log,
  });
  stack.defer(() => keeper.closed());
  return {
    keeper,
    httpPort: () => http?.address()?.port ?? null,
    async start() {
      await http?.open().catch((error) => log.error("challenges cannot be answered", { error }));
      keeper.start();
    },
  };
}

async function openDns(config: Config, dns: DnsConfig, now: () => number): Promise<Challenger> {
  const isUpdate = dns.kind === "rfc2136";
  return dnsChallenge({
    change: isUpdate ? await updates(config, dns, now) : hookChange(dns),
    nameServers: dns.nameServers.map(parseNameServer),
    first: isUpdate ? parseNameServer(dns.server) : null,
    lookup: systemLookup,
    clock: systemClock,
  });
}

async function updates(
  config: Config,
  { server, zone, key: { name, algorithm, secretFile } }: Rfc2136Config,
  now: () => number,
): Promise<ChangeRecord> {
  const path = resolveFromHome(config, secretFile);
  const secret = decoded(await readSecretText(path), "base64", path);
  const key = { name, algorithm, secret };
  const options = { server: parseNameServer(server), zone, key, now };
  return (change, record, signal) => changeTxt(options, change, record, signal);
}

async function readEab(config: Config, { eab }: AcmeConfig) {
  if (!eab) return null;
  const path = resolveFromHome(config, eab.hmacKeyFile);
  const hmacKey = await readSecretText(path);
  decoded(hmacKey, "base64url", path);
  return { kid: eab.keyId, hmacKey };
}

function decoded(
  text: string,
  alphabet: "base64" | "base64url",
  path: string,
): Uint8Array {
  try {
    const bytes = Uint8Array.fromBase64(text, { alphabet });
    if (bytes.length > 0) return bytes;
  } catch { /* said below, and nothing of what it holds */ }
  throw new KhachapuriError("invalid_config", `${path} is not a secret in ${alphabet}`);
}

/** Roots of the provider's choice stand beside the well-known ones. */
async function fetchUnder(
  config: Config,
  { caFile }: AcmeConfig,
  stack: AsyncDisposableStack,
): Promise<typeof fetch> {
  if (caFile === undefined) return fetch;
  const path = resolveFromHome(config, caFile);
  const pem = new TextDecoder().decode(await readBytes(path));
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
    throw new KhachapuriError("invalid_config", `${path} has no certificate in PEM`);
  }
  const client = Deno.createHttpClient({ caCerts: [pem] });
  stack.defer(() => client.close());
  return (input, init) => fetch(input, { ...init, client });
}

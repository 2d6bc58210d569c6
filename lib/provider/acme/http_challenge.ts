/**
 * http-01 (RFC 8555, section 8.3): port 80 answers a CA's looks, sends whoever else comes on to
 * https, and serves nothing.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import {
  CHALLENGE_CONNECTIONS_MAX,
  CHALLENGE_HEAD_BYTES_MAX,
  CHALLENGE_NETWORK_CONNECTIONS_MAX,
  CHALLENGE_REQUEST_TIMEOUT_MS,
  CHALLENGE_TOKEN_CHARACTERS_MAX,
} from "../../limits_of_certificates.ts";
import type { Log } from "../../log.ts";
import { addressPrefix } from "../http/address_prefix.ts";
import { type Address, Hearing } from "../wire/hearing.ts";
import { bind } from "../wire/place.ts";
import type { Challenger } from "./challenge.ts";
import { ShortGuests } from "./short_guests.ts";

const PREFIX = "/.well-known/acme-challenge/";

export interface HttpChallengeOptions {
  /** As "0.0.0.0:80". */
  readonly place: string;
  /** Of a socket that listens already, in its place; null: none was passed. */
  readonly fd?: number | null;
  /** Whether a process whose place this one takes may listen there still. */
  readonly isSecond?: boolean;
  /** Where whoever asks for something else is sent on to. */
  readonly webDomain: string;
  readonly log: Log;
}

export interface HttpChallenge extends Challenger {
  /** Listens, unless it does already. @throws KhachapuriError `invalid_config` */
  open(): Promise<void>;
  /** Where it listens; null: it does not. */
  address(): { readonly port: number } | null;
  close(): Promise<void>;
}

export function httpChallenge(options: HttpChallengeOptions): HttpChallenge {
  const proofs = new Map<string, string>();
  let opened: Opened | null = null;
  return {
    async open() {
      opened ??= await openPort(options, (token) => proofs.get(token) ?? null);
    },
    address: () => opened,
    present({ token, keyAuthorization }) {
      proofs.set(token, keyAuthorization);
      return Promise.resolve();
    },
    ready: () => Promise.resolve(),
    withdraw({ token }) {
      proofs.delete(token);
      return Promise.resolve();
    },
    async close() {
      await opened?.close();
      opened = null;
    },
  };
}

interface Opened {
  readonly port: number;
  close(): Promise<void>;
}

async function openPort(
  { place, fd = null, isSecond = false, webDomain, log }: HttpChallengeOptions,
  proofOf: (token: string) => string | null,
): Promise<Opened> {
  const server = createServer({
    maxHeaderSize: CHALLENGE_HEAD_BYTES_MAX,
    headersTimeout: CHALLENGE_REQUEST_TIMEOUT_MS,
    requestTimeout: CHALLENGE_REQUEST_TIMEOUT_MS,
  }, (request, response) => answer(request, response, proofOf, webDomain));
  const connections = { accepted: 0 };
  const guests = new ShortGuests<Socket>(
    CHALLENGE_CONNECTIONS_MAX,
    CHALLENGE_NETWORK_CONNECTIONS_MAX,
  );
  server.on("connection", (socket: Socket) => {
    connections.accepted += 1;
    guests.enter(socket, addressPrefix(socket.remoteAddress ?? ""))?.destroy();
    socket.on("close", () => guests.leave(socket));
    socket.on("error", () => {});
    socket.setTimeout(CHALLENGE_REQUEST_TIMEOUT_MS, () => socket.destroy());
  });
  server.on("clientError", (_error, socket) => void socket.destroy());
  const [, named = "", wanted = ""] = /^(.*):([0-9]+)$/.exec(place) ?? [];
  const address = { hostname: named.replace(/^\[(.*)\]$/, "$1"), port: Number(wanted) };
  const onLost = () => log.error("challenges are answered no more until the next start");
  const own = fd === null ? { ...address, isShared: isSecond } : { ...address, fd, onLost };
  const bound = await bind(server, own, "provider.acme.httpListen") as Address;
  const hearing = new Hearing(server, bound, connections, log);
  return {
    port: bound.port,
    close() {
      hearing.close();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Nothing of a request but its target and Host is read, and no body. */
function answer(
  { method, url = "", headers }: IncomingMessage,
  response: ServerResponse,
  proofOf: (token: string) => string | null,
  webDomain: string,
): void {
  const say = (status: number, text: string, fields: Record<string, string> = {}) => {
    const length = String(new TextEncoder().encode(text).length);
    const type = { "content-type": "text/plain; charset=utf-8", "content-length": length };
    response.writeHead(status, { ...type, "connection": "close", ...fields });
    response.end(method === "HEAD" ? undefined : text);
  };
  const isLook = url.startsWith(PREFIX) && (method === "GET" || method === "HEAD");
  const proof = isLook && url.length <= PREFIX.length + CHALLENGE_TOKEN_CHARACTERS_MAX
    ? proofOf(url.slice(PREFIX.length))
    : null;
  if (proof !== null) return say(200, proof, { "content-type": "application/octet-stream" });
  if (isLook) return say(404, "no such challenge\n");
  if (!url.startsWith("/")) return say(400, "the target is no path\n");
  const location = `${originFor(headers.host, webDomain)}${url}`;
  say(308, `it is served at ${location}\n`, { location });
}

/** Of ours, or of a domain that leads here, which is told apart by nothing but its name. */
function originFor(host: string | undefined, webDomain: string): string {
  const own = new URL(webDomain);
  const [, name] =
    /^((?=[a-z0-9.-]{1,253}(?:$|:))(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{1,63})(?::[0-9]{1,5})?$/i
      .exec(host ?? "") ?? [];
  return `https://${name?.toLowerCase() ?? own.hostname}${own.port ? `:${own.port}` : ""}`;
}

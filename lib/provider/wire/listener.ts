/** Sockets: hands every request to one function, whatever happens to connections. */
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { HEAD_TIMEOUT_MS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { Handle, Sender } from "../http/request.ts";
import {
  Certificate,
  type CertificateFiles,
  type CertificateSource,
  endOf,
  type KeyPair,
} from "./certificate.ts";
import type { Connection } from "./connection.ts";
import { Connections, type ConnectionsOptions } from "./connections.ts";
import type { ExchangeParts } from "./exchange.ts";
import { Hearing } from "./hearing.ts";
import { HTTP1_OPTIONS, readHttp1, serveHttp1 } from "./http1.ts";
import { createHttp2 } from "./http2.ts";
import { bind, type Place, urlOf } from "./place.ts";
import { standBefore } from "./tls_door.ts";
import { Tunnels } from "./tunnels.ts";

export interface Listener {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  readonly url: string;
  /**
   * Uses the certificate's files as they are now; the log says what came of it.
   * @returns whether they had changed
   */
  renewCertificate(): Promise<boolean>;
  /** No new calls; those under way get `graceMs` to end. */
  stop(graceMs: number): Promise<void>;
  /**
   * No new connections. Those that are there end with what they have, and with the next request on
   * each, which is served. Resolves when none is left.
   * @param tunnelMs tunnels last no longer
   */
  retire(tunnelMs: number): Promise<void>;
}

export interface ListenOptions
  extends Pick<ConnectionsOptions, "networkOf" | "usage">, Pick<ExchangeParts, "onUnread"> {
  readonly place: Place;
  /** Of config.json, which says where; by default `provider.listen`. */
  readonly setting?: string;
  /** null: no TLS, which a proxy before us does, or nobody. */
  readonly tls: CertificateFiles | CertificateSource | null;
  readonly handle: Handle;
  readonly log: Log;
  /** Who sent a request, from the address at the other end and what the request says. */
  senderOf(message: IncomingMessage): Sender;
}

/** What HTTP/2 is agreed on with; HTTP/1.0 has a name there too. */
const PROTOCOLS = ["h2", "http/1.1", "http/1.0"];

/**
 * @throws KhachapuriError `invalid_config` for an address that cannot be listened on; Deno.errors
 * of a certificate that cannot be read
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { place, tls, log } = options;
  const connections = new Connections({ ...options, isTls: tls !== null });
  const parts = { ...options, tunnels: new Tunnels(options) };
  const secured = tls && await serveTls(tls, parts, connections);
  const server = secured?.server ?? createServer(HTTP1_OPTIONS);
  // Before the server's own: the limits of connections come first.
  server.prependListener("connection", (socket: Socket) => connections.admit(socket));
  serveHttp1(server, parts, connections);
  if (!secured) {
    server.on("connection", (socket: Socket) => {
      const connection = connections.of(socket);
      if (connection) readHttp1(connection, connections);
    });
  }
  const bound = await bind(server, place, options.setting);
  const hearing = "port" in bound ? new Hearing(server, bound, connections, log) : null;
  return {
    url: urlOf(bound, tls ? "https" : "http"),
    async renewCertificate() {
      if (!secured) log.info("nothing is read anew: there is no certificate here");
      else if (await secured.renew()) return true;
      else log.info("the certificate's files have not changed");
      return false;
    },
    async stop(graceMs) {
      hearing?.close();
      secured?.close();
      server.close();
      await connections.drain(graceMs);
    },
    async retire(tunnelMs) {
      hearing?.close();
      secured?.close();
      stopAccepting(server);
      await connections.retire(tunnelMs);
    },
  };
}

/**
 * Closes the socket that listens, and that alone: a server of node's that is closed ends its idle
 * connections at once and each other behind its answer, though a request may be on its way.
 */
function stopAccepting(server: HttpServer): void {
  (server as unknown as { _handle: { close(): void } | null })._handle?.close();
}

interface Secured {
  readonly server: HttpServer;
  renew(): Promise<boolean>;
  close(): void;
}

async function serveTls(
  from: CertificateFiles | CertificateSource,
  parts: ExchangeParts & Pick<ConnectionsOptions, "usage">,
  connections: Connections,
): Promise<Secured> {
  const certificate = "first" in from ? from : await Certificate.open(from);
  const http2 = await createHttp2(parts, connections);
  // Loaded where it is wanted only: it takes memory (`deno task bench hot`, column "idle RSS").
  const { createServer } = await import("node:https");
  const server = createServer({
    ...HTTP1_OPTIONS,
    ...(certificate.first ?? {}),
    ALPNProtocols: PROTOCOLS,
    handshakeTimeout: HEAD_TIMEOUT_MS,
  });
  // The server's own listener, which reads HTTP/1. A socket that is handed to a server of node:http
  // instead would be closed after its first answer.
  const [parseHttp1] = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    const connection = welcome(socket, connections);
    if (!connection) return;
    if (socket.alpnProtocol === "h2") return http2.take(socket, connection);
    parseHttp1!.call(server, socket);
    readHttp1(connection, connections);
  });
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => {
    parts.usage?.handshakeFailed();
    socket.destroy();
  });
  let hasCertificate = certificate.first !== null;
  if (certificate.first) parts.usage?.certificate(endOf(certificate.first));
  standBefore(server, certificate, () => hasCertificate);
  const use = (pair: KeyPair) => {
    server.setSecureContext(pair);
    hasCertificate = true;
    parts.usage?.certificate(endOf(pair));
  };
  certificate.watch(use, parts.log);
  return {
    server,
    renew: () => certificate.renew(use, parts.log),
    close: () => certificate.close(),
  };
}

/** The connection whose TLS stands; null when it was not kept. */
function welcome(socket: TLSSocket, connections: Connections): Connection | null {
  const { _parent: raw } = socket as TLSSocket & { _parent: Socket };
  return connections.secure(raw, socket);
}

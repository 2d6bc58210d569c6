/** Sockets: hands every request to one function, whatever happens to connections. */
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { KhachapuriError } from "../../errors.ts";
import { HEAD_TIMEOUT_MS } from "../../limits.ts";
import type { Log } from "../../log.ts";
import type { Handle, Sender } from "../http/request.ts";
import {
  Certificate,
  type CertificateFiles,
  type CertificateSource,
  type KeyPair,
} from "./certificate.ts";
import type { Connection } from "./connection.ts";
import { Connections, type ConnectionsOptions } from "./connections.ts";
import type { ExchangeParts } from "./exchange.ts";
import { Hearing } from "./hearing.ts";
import { HTTP1_OPTIONS, readHttp1, serveHttp1 } from "./http1.ts";
import { createHttp2 } from "./http2.ts";
import { standBefore } from "./tls_door.ts";
import { Tunnels } from "./tunnels.ts";

export interface Listener {
  /** Where it listens, e.g. `http://127.0.0.1:8402`. */
  readonly url: string;
  /** Uses the certificate's files as they are now; the log says what came of it. */
  renewCertificate(): Promise<void>;
  /** No new calls; those under way get `graceMs` to end. */
  stop(graceMs: number): Promise<void>;
}

export interface ListenOptions
  extends Pick<ConnectionsOptions, "networkOf">, Pick<ExchangeParts, "onUnread"> {
  readonly hostname: string;
  /** 0 lets the system choose. */
  readonly port: number;
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
  const { hostname, tls, log } = options;
  const connections = new Connections({ ...options, isTls: tls !== null });
  const parts: ExchangeParts = { ...options, tunnels: new Tunnels(options) };
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
  const port = await bind(server, hostname, options.port);
  const hearing = new Hearing(server, { hostname, port }, connections, log);
  return {
    url: `${tls ? "https" : "http"}://${hostname}:${port}`,
    async renewCertificate() {
      if (!secured) log.info("nothing is read anew: there is no certificate here");
      else if (!await secured.renew()) log.info("the certificate's files have not changed");
    },
    async stop(graceMs) {
      hearing.close();
      secured?.close();
      server.close();
      await connections.drain(graceMs);
    },
  };
}

interface Secured {
  readonly server: HttpServer;
  renew(): Promise<boolean>;
  close(): void;
}

async function serveTls(
  from: CertificateFiles | CertificateSource,
  parts: ExchangeParts,
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
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => void socket.destroy());
  let hasCertificate = certificate.first !== null;
  standBefore(server, certificate, () => hasCertificate);
  const use = (pair: KeyPair) => {
    server.setSecureContext(pair);
    hasCertificate = true;
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

function bind(server: Server, hostname: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const refused = (error: Error) => reject(cannotListen(hostname, port, error));
    server.once("error", refused);
    server.listen(port, hostname, () => {
      server.off("error", refused);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

const WHY: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  EADDRINUSE: ["somebody else has it", "end the other program, or name another port"],
  EACCES: ["this user may not", "take a port from 1024 on, or give the unit CAP_NET_BIND_SERVICE"],
  EADDRNOTAVAIL: ["this machine has no such address", "listen on 0.0.0.0 or an address of its own"],
  EINVAL: ["this machine has no such address", "listen on 0.0.0.0 or an address of its own"],
  ENOTFOUND: ["it is no address", "write it as HOST:PORT, e.g. 127.0.0.1:8402"],
};

/** @param setting of config.json that says where */
export function cannotListen(
  hostname: string,
  port: number,
  cause: Error,
  setting = "provider.listen",
): KhachapuriError {
  const [why = cause.message, hint] = WHY[(cause as { code?: string }).code ?? ""] ?? [];
  return new KhachapuriError("invalid_config", `cannot listen on ${hostname}:${port}: ${why}`, {
    cause,
    hints: [...(hint ? [hint] : []), `${setting} in config.json says where`],
  });
}

/**
 * Before a handshake: without a certificate it is refused by an alert of TLS (RFC 8446, section 6),
 * never answered in plain; and while an authority (CA) is expected to look whether the domain is
 * ours (RFC 8737), its own handshakes are told from callers' by what they say first.
 */
import type { Socket } from "node:net";
import { createSecureContext, createServer, type Server, type TLSSocket } from "node:tls";
import { HEAD_TIMEOUT_MS } from "../../limits.ts";
import type { CertificateSource, KeyPair } from "./certificate.ts";
import { type ClientHello, readClientHello } from "./client_hello.ts";

/** The one protocol of such a look. */
const CHALLENGE_PROTOCOL = "acme-tls/1";

/** A fatal alert in a record of its own: handshake_failure, for want of a certificate. */
const REFUSAL = Uint8Array.of(21, 3, 3, 0, 2, 2, 40);

/** What the door asks of where certificates come from. */
export type Challenged = Pick<CertificateSource, "isChallenged" | "challengePair">;

/**
 * Puts itself before the handshakes of `server`.
 * @param hasCertificate whether callers' can be begun now
 */
export function standBefore(
  server: Server,
  source: Challenged,
  hasCertificate: () => boolean,
): void {
  let prover: ((socket: Socket) => void) | null = null;
  const shake = server.listeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  const serve = (socket: Socket) => {
    if (!hasCertificate()) return refuse(socket);
    for (const each of shake) each.call(server, socket);
  };
  server.on("connection", (socket: Socket) => {
    if (socket.destroyed) return;
    if (!source.isChallenged()) return serve(socket);
    peek(socket, (hello) => {
      const isLook = hello?.protocols.includes(CHALLENGE_PROTOCOL) ?? false;
      if (isLook && source.challengePair(hello?.serverName ?? null)) {
        prover ??= openProver(source);
        prover(socket);
      } else {
        serve(socket);
      }
    });
  });
}

/** Reads what a client says first and puts it back. */
function peek(socket: Socket, then: (hello: ClientHello | null) => void): void {
  const parts: Uint8Array[] = [];
  const look = () => {
    for (let part; (part = socket.read()) !== null;) parts.push(part);
    const said = joined(parts);
    const reading = readClientHello(said);
    if (reading === "more" && !socket.readableEnded) return;
    socket.off("readable", look);
    socket.off("end", look);
    if (said.length > 0) socket.unshift(said);
    then(reading === "more" ? null : reading);
  };
  socket.on("readable", look);
  socket.on("end", look);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Handshakes in which a CA sees the proof, and nothing else is said. */
function openProver(source: Challenged): (socket: Socket) => void {
  const contextOf = ({ cert, key }: KeyPair) => createSecureContext({ cert, key });
  const server = createServer({
    ALPNProtocols: [CHALLENGE_PROTOCOL],
    handshakeTimeout: HEAD_TIMEOUT_MS,
    SNICallback(name, answer) {
      const pair = source.challengePair(name.toLowerCase());
      if (pair) answer(null, contextOf(pair));
      else answer(new Error("no challenge of this name"));
    },
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => {});
    socket.end();
  });
  server.on("tlsClientError", (_error: Error, socket: TLSSocket) => void socket.destroy());
  return (socket) => void server.emit("connection", socket);
}

function refuse(socket: Socket): void {
  socket.resume();
  socket.end(REFUSAL);
  socket.once("finish", () => socket.destroySoon());
}

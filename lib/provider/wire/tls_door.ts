/**
 * Before a handshake: without a certificate it is refused by an alert of TLS (RFC 8446, section 6),
 * never answered in plain; and while an authority (CA) is expected to look whether the domain is
 * ours (RFC 8737), its own handshakes are told from callers' by what they say first.
 */
import type { Socket } from "node:net";
import type { Server } from "node:tls";
import type { CertificateSource } from "./certificate.ts";
import { CHALLENGE_PROTOCOL, showChallenge } from "./challenge_handshake.ts";
import { type ClientHello, readClientHello } from "./client_hello.ts";

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
      const pair = isLook ? source.challengePair(hello!.serverName) : null;
      if (!pair) return serve(socket);
      const flight = showChallenge(hello!, pair);
      if (!flight) return refuse(socket);
      // The CA has seen what it came for, and goes.
      socket.on("end", () => socket.destroy());
      socket.resume();
      socket.write(flight);
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

function refuse(socket: Socket): void {
  socket.resume();
  socket.end(REFUSAL);
  socket.once("finish", () => socket.destroySoon());
}

/** One message to a name server and its answer, by TCP (RFC 7766): no stranger slips in on it. */
import { Buffer } from "node:buffer";
import { randomInt } from "node:crypto";
import net from "node:net";
// @ts-types="../naming/dns_packet.d.ts"
import * as packet from "dns-packet";
import { KhachapuriError } from "../../errors.ts";
import type { NameServer } from "../../name_server.ts";
import { ZONE_ANSWER_BYTES_MAX, ZONE_ANSWER_TIMEOUT_MS } from "../../limits_of_certificates.ts";

export interface ExchangeOptions {
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
}

/** @throws KhachapuriError `no_certificate` when there is no answer to this message */
export async function exchange(
  server: NameServer,
  message: Uint8Array,
  { signal, timeoutMs = ZONE_ANSWER_TIMEOUT_MS }: ExchangeOptions,
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const failed = (why: string) => reject(unanswered(server, why));
  const socket = net.connect({ host: server.address, port: server.port });
  let held = Buffer.alloc(0);
  socket.on("connect", () => {
    socket.write(Uint8Array.of(message.length >> 8, message.length & 0xff, ...message));
  });
  socket.on("data", (part: Buffer) => {
    held = Buffer.concat([held, part]);
    if (held.length > ZONE_ANSWER_BYTES_MAX + 2) return failed("it says too much");
    if (held.length < 2 || held.length < held.readUInt16BE(0) + 2) return;
    const answer = new Uint8Array(held.subarray(2, held.readUInt16BE(0) + 2));
    const isOurs = answer.length >= 12 && answer[0] === message[0] && answer[1] === message[1];
    if (isOurs && answer[2]! >= 0x80) resolve(answer);
    else failed("it answers something else");
  });
  socket.on("error", (error) => failed(error.message));
  socket.on("close", () => failed("it hung up"));
  const late = setTimeout(() => failed("it is silent"), timeoutMs);
  const ended = () => reject(signal.reason);
  if (signal.aborted) ended();
  signal.addEventListener("abort", ended, { once: true });
  return await promise.finally(() => {
    clearTimeout(late);
    signal.removeEventListener("abort", ended);
    socket.destroy();
  });
}

/** Asks for records of a name, whether the server says them of itself or of others. */
export async function ask(
  server: NameServer,
  question: { readonly name: string; readonly type: string },
  options: ExchangeOptions,
): Promise<packet.DecodedPacket> {
  const id = randomInt(0x10000);
  const asked = packet.encode({ type: "query", id, flags: 0, questions: [question] });
  const answer = await exchange(server, new Uint8Array(asked), options);
  try {
    return packet.decode(Buffer.from(answer));
  } catch (cause) {
    throw unanswered(server, `it answers what is no message (${(cause as Error).message})`);
  }
}

function unanswered({ address, port }: NameServer, why: string): KhachapuriError {
  const message = `no answer from the name server ${address}:${port}: ${why}`;
  return new KhachapuriError("no_certificate", message, {
    data: { problem: "name server" },
  });
}

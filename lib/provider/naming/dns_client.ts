/**
 * Asks name servers for TXT records: by a datagram from a port of its own under a random id, and by
 * TCP where the answer is too long for one. Whoever guesses port and id must still know the name.
 */
import { randomInt } from "node:crypto";
import dgram from "node:dgram";
import net from "node:net";
import { KhachapuriError } from "../../errors.ts";
import {
  DNS_ANSWER_BYTES_MAX,
  DNS_SERVER_TIMEOUT_MS,
  DNS_STRAYS_MAX,
  DNS_TIMEOUT_MS,
} from "../../limits_of_names.ts";
import { type Reading, readTxtAnswer, type TxtAnswer, txtQuestion } from "./dns_message.ts";
import type { NameServer } from "../../name_server.ts";

export interface DnsClientOptions {
  /** Asked in this order, twice. */
  servers(): Promise<readonly NameServer[]>;
  /** How long each is waited for, and all together, ms. */
  serverTimeoutMs?: number;
  timeoutMs?: number;
}

const ROUNDS = 2;

export class DnsClient {
  constructor(private readonly options: DnsClientOptions) {}

  /**
   * The TXT records of a name.
   * @throws KhachapuriError `name_unavailable` when no server says what they are, which is not to
   * say that there are none
   */
  async txt(name: string): Promise<TxtAnswer> {
    const { serverTimeoutMs = DNS_SERVER_TIMEOUT_MS, timeoutMs = DNS_TIMEOUT_MS } = this.options;
    const end = performance.now() + timeoutMs;
    const servers = await this.options.servers();
    let why = "there is none";
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of servers) {
        const left = Math.min(serverTimeoutMs, end - performance.now());
        if (left <= 0) throw unanswered(name, why);
        const reading = await ask(server, name, left);
        if (reading.kind === "answer") return reading.answer;
        why = `${server.address}: ${reading.kind === "failure" ? reading.why : "no answer"}`;
      }
    }
    throw unanswered(name, why);
  }
}

/** One question to one server. */
interface Asking {
  readonly server: NameServer;
  /** As it is sent. */
  readonly question: Uint8Array;
  read(bytes: Uint8Array): Reading;
  readonly timeoutMs: number;
}

async function ask(server: NameServer, name: string, timeoutMs: number): Promise<Reading> {
  const id = randomInt(0x10000);
  const question = txtQuestion(id, name);
  const end = performance.now() + timeoutMs;
  const read = (bytes: Uint8Array) => readTxtAnswer(bytes, id, name);
  const asking: Asking = { server, question, read, timeoutMs };
  const first = await askByDatagram(asking);
  if (first.kind !== "truncated") return first;
  const second = await askByTcp({ ...asking, timeoutMs: Math.max(1, end - performance.now()) });
  return second.kind === "truncated" ? { kind: "failure", why: "it cuts its answer off" } : second;
}

/** Strays are passed over: anybody can send us datagrams. */
function askByDatagram(
  { server: { address, port }, question, read, timeoutMs }: Asking,
): Promise<Reading> {
  const { promise, resolve } = Promise.withResolvers<Reading>();
  const socket = dgram.createSocket(net.isIPv6(address.split("%")[0]!) ? "udp6" : "udp4");
  let strays = 0;
  socket.on("message", (bytes, sender) => {
    const isServers = sender.port === port && isSameAddress(sender.address, address);
    const reading = isServers ? read(bytes) : null;
    if (reading && reading.kind !== "stray") return resolve(reading);
    strays += 1;
    if (strays > DNS_STRAYS_MAX) resolve({ kind: "failure", why: "strangers answer for it" });
  });
  socket.on("error", (error) => resolve({ kind: "failure", why: error.message }));
  const late = setTimeout(() => resolve({ kind: "failure", why: "no answer" }), timeoutMs);
  socket.bind(0, () => {
    socket.send(question, port, address, (error) => {
      if (error) resolve({ kind: "failure", why: error.message });
    });
  });
  return promise.finally(() => {
    clearTimeout(late);
    socket.close();
  });
}

function isSameAddress(one: string, other: string): boolean {
  if (one === other) return true;
  const plain = (address: string) => {
    const bare = address.split("%")[0]!;
    return net.isIPv6(bare) ? new URL(`http://[${bare}]`).hostname : bare;
  };
  return plain(one) === plain(other);
}

/** RFC 7766: a length of two bytes before each message. */
function askByTcp(
  { server: { address, port }, question, read, timeoutMs }: Asking,
): Promise<Reading> {
  const { promise, resolve } = Promise.withResolvers<Reading>();
  const socket = net.connect({ host: address, port });
  const message = new Uint8Array(DNS_ANSWER_BYTES_MAX + 2);
  let bytes = 0;
  const failed = (why: string) => resolve({ kind: "failure", why: `by TCP ${why}` });
  socket.on("connect", () => {
    socket.write(Uint8Array.of(question.length >> 8, question.length & 0xff, ...question));
  });
  socket.on("data", (chunk: Uint8Array) => {
    const part = chunk.subarray(0, message.length - bytes);
    message.set(part, bytes);
    bytes += part.length;
    const length = message[0]! << 8 | message[1]!;
    if (bytes < 2 || bytes < length + 2) return;
    const reading = read(message.subarray(2, length + 2));
    if (reading.kind === "stray") failed("it answers something else");
    else resolve(reading);
  });
  socket.on("error", (error) => failed(error.message));
  socket.on("close", () => failed("it hung up"));
  const late = setTimeout(() => failed("no answer"), timeoutMs);
  return promise.finally(() => {
    clearTimeout(late);
    socket.destroy();
  });
}

function unanswered(name: string, why: string): KhachapuriError {
  return new KhachapuriError("name_unavailable", `no name server says what ${name} is (${why})`, {
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again", "provider: see khachapuri doctor"],
  });
}

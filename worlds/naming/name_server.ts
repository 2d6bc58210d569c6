/** A name server that answers what a test says, by datagram and by TCP, be it a lie. */
import { Buffer } from "node:buffer";
import dgram from "node:dgram";
import net from "node:net";
// @ts-types="../../lib/provider/naming/dns_packet.d.ts"
import * as packet from "dns-packet";
import type { NameServer } from "../../lib/name_server.ts";

export interface Asked {
  readonly id: number;
  readonly name: string;
  readonly by: "datagram" | "tcp";
  readonly query: packet.DecodedPacket;
}

/** What goes back, in this order: messages, or bytes as they are. */
export type Say = (asked: Asked) => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;

export interface PlayedNameServer extends AsyncDisposable {
  readonly server: NameServer;
  readonly asked: Asked[];
  /** Ports that questions came from, in order. */
  readonly ports: number[];
  say: Say;
}

/** An answer to `asked` with these records. */
export function answering(
  { id, query }: Asked,
  answers: packet.Answer[],
  more: Partial<packet.Packet> & { rcode?: number } = {},
): Uint8Array {
  const { rcode = 0, flags = packet.RECURSION_AVAILABLE, ...rest } = more;
  const message: packet.Packet = {
    type: "response",
    id,
    flags: flags | rcode,
    questions: query.questions ?? [],
    answers,
    ...rest,
  };
  return new Uint8Array(packet.encode(message));
}

export function txt(name: string, text: string | string[], ttl = 300): packet.Answer {
  return { type: "TXT", class: "IN", name, ttl, data: text };
}

export async function playNameServer(say: Say): Promise<PlayedNameServer> {
  const asked: Asked[] = [];
  const ports: number[] = [];
  const tcp = net.createServer();
  const sockets = new Set<net.Socket>();
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const { port } = tcp.address() as net.AddressInfo;
  const udp = dgram.createSocket("udp4");
  await new Promise<void>((resolve) => udp.bind(port, "127.0.0.1", resolve));
  const played: PlayedNameServer = {
    server: { address: "127.0.0.1", port },
    asked,
    ports,
    say,
    async [Symbol.asyncDispose]() {
      udp.close();
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => tcp.close(resolve));
    },
  };
  const ask = async (bytes: Uint8Array, by: Asked["by"]) => {
    const query = packet.decode(Buffer.from(bytes));
    const one: Asked = { id: query.id!, name: query.questions![0]!.name, by, query };
    asked.push(one);
    return await played.say(one);
  };
  udp.on("message", async (bytes, from) => {
    ports.push(from.port);
    for (const answer of await ask(bytes, "datagram")) udp.send(answer, from.port, from.address);
  });
  tcp.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", async (bytes: Uint8Array) => {
      for (const answer of await ask(bytes.subarray(2), "tcp")) {
        socket.write(Uint8Array.of(answer.length >> 8, answer.length & 0xff, ...answer));
      }
    });
  });
  return played;
}

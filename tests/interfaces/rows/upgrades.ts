/** Connections that are to become something else. */
import { apart, type Chapter, everywhere, type Outcome, request } from "../row.ts";

/** RFC 6455 section 1.3 has them. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const PROOF = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const HANDSHAKE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  `Sec-WebSocket-Key: ${KEY}`,
  "Sec-WebSocket-Version: 13",
];
/** "hello", masked with four NUL, and the same as it comes back. */
const FRAME = "\x81\x85\0\0\0\0hello";
const ECHOED = "\x81\x05hello";

const REFUSED: Outcome = { says: "501", status: 501, isFree: true };

export const UPGRADES: Chapter = {
  title: "Upgrade, and what wants more than HTTP/1.1",
  about: "A WebSocket needs a program that stays: interface http. Other protocols are refused, " +
    "but for h2c, which RFC 9110 lets a server ignore, as clients offer it unasked. So is gRPC " +
    "to a server, which would have to come there as HTTP/2.",
  rows: [
    {
      name: "a WebSocket",
      sends: {
        curl: [request("GET", "/socket", ...HANDSHAKE)],
        cgi: [request("GET", "/socket", ...HANDSHAKE)],
        http: [request("GET", "/socket", ...HANDSHAKE), { hear: PROOF }, FRAME, { hear: ECHOED }],
      },
      source: "RFC 6455 4",
      outcomes: apart(REFUSED, {
        says: "101, and bytes both ways",
        status: 101,
        fields: { upgrade: "websocket", "sec-websocket-accept": PROOF },
      }),
    },
    {
      name: "h2c",
      sends: [request(
        "GET",
        "/whole",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAAP__",
      )],
      source: "RFC 9110 7.8; RFC 9113 3.1",
      outcomes: everywhere({ says: "ignored", status: 200, body: "whole\n" }),
    },
    {
      name: "gRPC",
      sends: [
        request("POST", "/tell", "Content-Type: application/grpc", "Content-Length: 5") +
        "\0\0\0\0\0",
      ],
      source: "gRPC over HTTP2",
      outcomes: apart({ says: "taken, as any body", status: 200 }, REFUSED),
    },
    {
      name: "any other protocol",
      sends: [request("GET", "/whole", "Connection: Upgrade", "Upgrade: irc/6.9")],
      source: "RFC 9110 7.8",
      outcomes: everywhere(REFUSED),
    },
  ],
};

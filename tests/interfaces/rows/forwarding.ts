/** What the provider says of a request, and what it keeps to itself. */
import { apart, type Chapter, everywhere, request } from "../row.ts";

const FORGED = [
  "X-Forwarded-For: 8.8.8.8",
  "X-Forwarded-Proto: gopher",
  "X-Forwarded-Host: evil.example",
  "X-Forwarded-Prefix: /evil",
  "Forwarded: for=8.8.8.8",
];

export const FORWARDING: Chapter = {
  title: "What a program is told of its caller",
  about: "By variables or by fields: what a caller says in their place does not pass.",
  rows: [
    {
      name: "who called, and by which name",
      sends: [request("GET", "/tell", ...FORGED)],
      source: "RFC 7239; RFC 3875 4.1",
      outcomes: apart(
        {
          says: "by variables",
          status: 200,
          told: {
            fields: {
              "x-forwarded-for": null,
              "x-forwarded-prefix": null,
              "forwarded": null,
            },
          },
        },
        {
          says: "by `X-Forwarded-*` and `Forwarded`",
          status: 200,
          told: {
            fields: {
              "x-forwarded-for": ["127.0.0.1"],
              "x-forwarded-proto": ["http"],
              "x-forwarded-host": ["provider.test"],
              "x-forwarded-prefix": ["/DEPLOYMENT"],
              "forwarded": ["for=127.0.0.1;host=provider.test;proto=http"],
            },
          },
        },
      ),
    },
    {
      name: "a request's id",
      sends: [request("GET", "/tell", "X-Request-Id: nino-1")],
      source: "custom",
      outcomes: apart(
        { says: "passed on", status: 200, told: { fields: { "x-request-id": ["nino-1"] } } },
        {
          says: "passed on, and said in the answer",
          status: 200,
          told: { fields: { "x-request-id": ["nino-1"] } },
          fields: { "x-request-id": "nino-1" },
        },
      ),
    },
    {
      name: "fields of the connection alone",
      sends: [
        request("GET", "/tell", "Connection: x-hop", "X-Hop: 1", "Keep-Alive: 5", "TE: gzip"),
      ],
      source: "RFC 9110 7.6.1",
      outcomes: everywhere({
        says: "left out",
        status: 200,
        told: { fields: { "x-hop": null, "keep-alive": null, te: null } },
      }),
    },
    {
      name: "a payer that the caller says by itself",
      sends: [request("GET", "/tell", "Khachapuri-Payer: 0x1")],
      source: "protocol.md",
      outcomes: everywhere({
        says: "left out",
        status: 200,
        told: { fields: { "khachapuri-payer": null } },
      }),
    },
  ],
};

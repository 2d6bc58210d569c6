/** Ranges, conditions, interim answers, trailers: what an answer can be besides a body. */
import { apart, type Chapter, everywhere, type Outcome, request } from "../row.ts";

export const SEMANTICS: Chapter = {
  title: "Ranges, conditions, redirects",
  about: "They are the program's own affair, and pass in both directions.",
  rows: [
    {
      name: "a range",
      sends: [request("GET", "/range", "Range: bytes=2-4")],
      source: "RFC 9110 14",
      outcomes: everywhere({
        says: "206",
        status: 206,
        body: "234",
        fields: { "content-range": "bytes 2-4/10" },
      }),
    },
    {
      name: "a condition that holds",
      sends: [request("GET", "/known", 'If-None-Match: "a"')],
      source: "RFC 9110 13",
      outcomes: everywhere({
        says: "304",
        status: 304,
        body: "",
        framing: "none",
        fields: { etag: '"a"', "content-length": null },
      }),
    },
    {
      name: "an answer without content",
      sends: [request("GET", "/empty")],
      source: "RFC 9110 15.3.5",
      outcomes: everywhere({ says: "204", status: 204, body: "", framing: "none" }),
    },
    {
      name: "a redirect to a path of the program's own",
      sends: [request("GET", "/moved")],
      source: "RFC 9110 10.2.2; RFC 3875 6.2.4",
      outcomes: apart(
        { says: "as it stands", status: 302, fields: { location: "/tell?moved" } },
        {
          says: "below the deployment's path",
          status: 302,
          fields: { location: "/DEPLOYMENT/tell?moved" },
        },
      ),
    },
  ],
};

const EXPECTING = request("POST", "/tell", "Content-Length: 5", "Expect: 100-continue");
/** CGI has a variable for each field of a request, also for those that others have seen to. */
const EXPECTED: Outcome = {
  says: "100 by the provider, then the answer",
  status: 200,
  interim: [100],
  told: { body: "hello", fields: { expect: null } },
};

export const EXTRAS: Chapter = {
  title: "Expect, interim answers, trailers",
  about: "What HTTP has besides one head and one body each way.",
  rows: [
    {
      name: "Expect: 100-continue",
      sends: [EXPECTING, { hear: "100 Continue" }, "hello"],
      source: "RFC 9110 10.1.1; RFC 3875 4.1.18",
      outcomes: {
        curl: EXPECTED,
        cgi: { ...EXPECTED, told: { body: "hello", fields: { expect: ["100-continue"] } } },
        http: EXPECTED,
      },
    },
    {
      name: "an early hint (103) of the program",
      sends: [request("GET", "/hints")],
      source: "RFC 9110 15.2; RFC 8297",
      outcomes: {
        curl: { says: "left out", status: 200, body: "whole\n", fields: { link: null } },
        cgi: { says: "502: CGI has none", status: 502 },
        http: { says: "left out", status: 200, body: "whole\n", fields: { link: null } },
      },
    },
    {
      name: "an answer's trailers, to a caller who says TE: trailers",
      sends: [request("GET", "/trailers", "TE: trailers", "Connection: TE")],
      source: "RFC 9110 6.5",
      outcomes: apart(
        { says: "none: it has no way to say them", status: 200, body: "whole\n", trailers: [] },
        {
          says: "passed on, but for those that no trailer may hold",
          status: 200,
          body: "whole\n",
          trailers: [["x-sum", "6"]],
        },
      ),
    },
    {
      name: "an answer's trailers, to any other caller",
      sends: [request("GET", "/trailers")],
      source: "RFC 9110 6.5.1",
      outcomes: apart(
        { says: "none", status: 200, body: "whole\n", trailers: [] },
        { says: "left out", status: 200, body: "whole\n", trailers: [] },
      ),
    },
    {
      name: "a request's trailers",
      sends: [
        `${
          request("POST", "/tell", "Transfer-Encoding: chunked")
        }5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n`,
      ],
      source: "RFC 9110 6.5.1",
      outcomes: everywhere({
        says: "left out",
        status: 200,
        told: { body: "hello", fields: { "x-sum": null } },
      }),
    },
  ],
};

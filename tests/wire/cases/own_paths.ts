/** Paths of the provider's own for content and names: docs/protocol.md says what they mean. */
import { answered, type Chapter, ECHO, request, type Verdict } from "../case.ts";

const GATEWAY = "RFC 9110 15; IPFS trustless gateway";
const PUSH = "RFC 9110 15; docs/protocol.md";
const CAR = "Content-Type: application/vnd.ipld.car";
/** Nobody has it. */
const NOWHERE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

type Told = Omit<Verdict, "method" | "status">;

/** One answer, of the provider itself, after which the connection goes on. */
function told(
  name: string,
  [method, target, ...fields]: readonly [string, string, ...string[]],
  source: string,
  status: number,
  more: Told = {},
) {
  return answered(name, request(method, target, fields), source, [
    { method, status, ...more },
  ], "kept");
}

function posted(name: string, path: string, body: string, status: number, ...fields: string[]) {
  const head = request("POST", path, [...fields, `Content-Length: ${body.length}`]);
  return answered(name, head + body, PUSH, [{ method: "POST", status }], "kept");
}

export const OWN_PATHS: Chapter = {
  title: "Content and names",
  // After chapters that call it, so that it is kept.
  about: "The provider's own answers under /ipfs, /names and /dry-run; no program sees these " +
    "requests, and nobody pays.",
  cases: [
    told("GET of a block that is kept", ["GET", `/ipfs/${ECHO}?format=raw`], GATEWAY, 200, {
      fields: { "content-type": ["application/vnd.ipld.raw"] },
    }),
    told("HEAD of a block that is kept", ["HEAD", `/ipfs/${ECHO}?format=raw`], GATEWAY, 200),
    told(
      "GET of a block that is kept, by Accept",
      [
        "GET",
        `/ipfs/${ECHO}`,
        "Accept: application/vnd.ipld.raw",
      ],
      GATEWAY,
      200,
    ),
    told("GET of a CAR of what is kept", ["GET", `/ipfs/${ECHO}?format=car`], GATEWAY, 200),
    told(
      "GET of a block that the caller has",
      [
        "GET",
        `/ipfs/${ECHO}?format=raw`,
        "If-None-Match: *",
      ],
      GATEWAY,
      304,
    ),
    told("GET of the empty block", ["GET", "/ipfs/bafkqaaa?format=raw"], GATEWAY, 200, {
      body: "",
    }),
    told("GET of content that is not kept", ["GET", `/ipfs/${NOWHERE}?format=raw`], GATEWAY, 404),
    told(
      "GET of content that is not kept, from a cache alone",
      [
        "GET",
        `/ipfs/${NOWHERE}?format=raw`,
        "Cache-Control: only-if-cached",
      ],
      GATEWAY,
      412,
    ),
    told("GET of content by no cid", ["GET", "/ipfs/nothing?format=raw"], GATEWAY, 400),
    told("GET of content in no format", ["GET", `/ipfs/${ECHO}`], GATEWAY, 400),
    told("GET of content as a web page", ["GET", `/ipfs/${ECHO}?format=html`], GATEWAY, 400),
    told("DELETE of content", ["DELETE", `/ipfs/${ECHO}`], GATEWAY, 405, {
      fields: { allow: ["GET, HEAD, OPTIONS"] },
    }),
    told("GET of no content", ["GET", "/ipfs"], PUSH, 405, {
      fields: { allow: ["HEAD, POST, OPTIONS"] },
    }),
    told("HEAD of a push that nobody signed", ["HEAD", "/ipfs"], PUSH, 403),
    posted("POST of content that nobody signed", "/ipfs", "abc", 403, CAR),
    posted("POST of content that is no CAR", "/ipfs", "abc", 400),
    told("GET of a name that nobody has", ["GET", "/names/blog"], PUSH, 404),
    told("GET of what is no name", ["GET", "/names/-"], PUSH, 400),
    told("DELETE of a name", ["DELETE", "/names/blog"], PUSH, 405, {
      fields: { allow: ["GET, HEAD, OPTIONS"] },
    }),
    posted("POST of a name that says nothing", "/names", "{}", 400),
    told("GET of all names", ["GET", "/names"], PUSH, 405, {
      fields: { allow: ["POST, OPTIONS"] },
    }),
    posted("POST of a rehearsal that nobody asked for", "/dry-run", "{}", 400),
    told("GET of a rehearsal", ["GET", "/dry-run"], PUSH, 405, {
      fields: { allow: ["POST, OPTIONS"] },
    }),
  ],
};

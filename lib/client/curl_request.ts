/** The request that curl puts on the wire: its fields, in curl's order. */
import type { Field } from "./curl_state.ts";
import { usage } from "./curl_state.ts";
import { type CurlUrl, requestTarget } from "./curl_url.ts";

/** What the options make of a request, before it is known where it goes. */
export interface CurlRequest {
  /** -X; null: `method`. */
  customMethod: string | null;
  method: "GET" | "HEAD" | "POST" | "PUT";
  body: Uint8Array | null;
  /** Of the body, unless -H says another. */
  bodyType: { name: string; boundary: string | null } | null;
  /** Sent in chunks, without a length. */
  isChunked: boolean;
  /** -H, in order. */
  headers: readonly Field[];
  /** In lower case: defaults that -H 'name:' takes out. */
  removed: ReadonlySet<string>;
  authorization: string | null;
  /** As in `bytes=…`. */
  range: string | null;
  /** null: ours; "": none. */
  userAgent: string | null;
  isCompressed: boolean;
  /** "" : none. */
  referer: string;
  cookie: string;
  isPathAsIs: boolean;
}

/** A request as it goes out. */
export interface WireRequest {
  url: CurlUrl;
  method: string;
  /** Origin form. */
  target: string;
  /** Host first (curl_state.ts has the exception); values in Unicode, sent as UTF-8. */
  fields: readonly Field[];
  body: Uint8Array | null;
  isChunked: boolean;
  /** Whether the body waits for a 100 (Continue). */
  isExpecting: boolean;
}

/** From so many bytes on curl asks before it sends a body. */
const EXPECT_BYTES = 1_048_576;
/** What is decoded (curl_decode.ts). */
const ENCODINGS = "deflate, gzip, br, zstd";
const USER_AGENT = "khachapuri";

/** @throws KhachapuriError `usage` for fields of -H that would frame the body otherwise */
export function wireRequest(request: CurlRequest, url: CurlUrl): WireRequest {
  const { body, method, customMethod } = request;
  const framing = framingOf(request);
  const fields = [
    ...hostField(request, url),
    ...defaultFields(request),
    ...request.headers.filter(([name]) => !isSentElsewhere(name, request)),
    ...framing.fields,
  ];
  return {
    url,
    method: customMethod ?? method,
    target: requestTarget(url),
    fields,
    body,
    isChunked: framing.isChunked,
    isExpecting: fields.some(([name]) => name.toLowerCase() === "expect"),
  };
}

/** -H 'Host: name' stands in the place of the URL's, -H 'Host:' takes it out. */
function hostField(request: CurlRequest, { host }: CurlUrl): Field[] {
  if (request.removed.has("host")) return [];
  return [["Host", valueOf(request, "host") ?? host]];
}

function defaultFields(request: CurlRequest): Field[] {
  const { authorization, range, userAgent, isCompressed, referer, cookie, method } = request;
  if (range !== null && request.body) {
    throw usage("-r and a body exclude each other", ["-H 'Content-Range: …' says a body's range"]);
  }
  const isRanged = range !== null && (method === "GET" || method === "HEAD");
  const defaults: Field[] = [
    ["Authorization", authorization ?? ""],
    ["Range", isRanged ? `bytes=${range}` : ""],
    ["User-Agent", userAgent ?? USER_AGENT],
    ["Accept", "*/*"],
    ["Accept-Encoding", isCompressed ? ENCODINGS : ""],
    ["Referer", referer],
    ["Transfer-Encoding", request.isChunked ? "chunked" : ""],
    ["Cookie", cookie],
  ];
  return defaults.filter(([name, value]) => value !== "" && !isGiven(request, name));
}

/** The URL's place is Host's; a form's Content-Type gets its boundary behind it. */
function isSentElsewhere(name: string, { bodyType, removed }: CurlRequest): boolean {
  const folded = name.toLowerCase();
  if (folded === "host") return !removed.has("host");
  return folded === "content-type" && typeof bodyType?.boundary === "string";
}

function framingOf(request: CurlRequest): { fields: Field[]; isChunked: boolean } {
  const { body, bodyType } = request;
  assertFraming(request);
  const isChunked = request.isChunked || valueOf(request, "transfer-encoding") !== undefined;
  if (body === null) return { fields: [], isChunked: false };
  const fields: Field[] = [];
  if (!isChunked && !isGiven(request, "content-length")) {
    fields.push(["Content-Length", String(body.length)]);
  }
  if (bodyType && bodyType.boundary !== null) {
    const isOut = request.removed.has("content-type");
    const name = valueOf(request, "content-type") ?? (isOut ? "nothing" : bodyType.name);
    if (!/^multipart\/form-data\b/i.test(name)) {
      throw usage(`-F sends multipart/form-data, not ${name}`, ["leave -H 'Content-Type: …' out"]);
    }
    fields.push(["Content-Type", `${name}; boundary=${bodyType.boundary}`]);
  } else if (bodyType && !isGiven(request, "content-type")) {
    fields.push(["Content-Type", bodyType.name]);
  }
  if (body.length > EXPECT_BYTES && !isGiven(request, "expect")) {
    fields.push(["Expect", "100-continue"]);
  }
  return { fields, isChunked };
}

/**
 * A length that is not the body's would make the provider wait for more, or read the rest as the
 * next request.
 */
function assertFraming(request: CurlRequest): void {
  const length = valueOf(request, "content-length");
  if (length !== undefined && length !== String(request.body?.length ?? 0)) {
    throw usage(`-H 'Content-Length: ${length}' is not the body's length`, [
      "leave it out: it is sent by itself",
    ]);
  }
  if (request.removed.has("content-length") && request.body && !request.isChunked) {
    throw usage("-H 'Content-Length:' would leave the body without an end", [
      "-H 'Transfer-Encoding: chunked' sends it in chunks",
    ]);
  }
  const coding = valueOf(request, "transfer-encoding");
  if (coding !== undefined && (coding.toLowerCase() !== "chunked" || !request.body)) {
    throw usage(`-H 'Transfer-Encoding: ${coding}': only chunked is taken, with a body`);
  }
  if (coding !== undefined && length !== undefined) {
    throw usage("Content-Length and Transfer-Encoding exclude each other");
  }
  for (const name of ["upgrade", "trailer"]) {
    if (valueOf(request, name) !== undefined) throw usage(`-H '${name}: …' is not taken`);
  }
  const expect = valueOf(request, "expect");
  if (expect !== undefined && expect.toLowerCase() !== "100-continue") {
    throw usage(`-H 'Expect: ${expect}': only 100-continue is taken`);
  }
}

function valueOf({ headers }: CurlRequest, name: string): string | undefined {
  return headers.find(([given]) => given.toLowerCase() === name)?.[1];
}

/** Whether -H says this field, or takes it out. */
function isGiven(request: CurlRequest, name: string): boolean {
  const folded = name.toLowerCase();
  return request.removed.has(folded) || valueOf(request, folded) !== undefined;
}

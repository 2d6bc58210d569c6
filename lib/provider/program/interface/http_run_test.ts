import assert from "node:assert/strict";
import { chunksSource } from "../../../byte_source.ts";
import type { RunRecord } from "../../../../sandbox/sandbox.ts";
import { LIMITS } from "../../../../worlds/sandbox/played_run.ts";
import { programRequest, type RequestFields } from "../../../../worlds/sandbox/program_request.ts";
import { KhachapuriError } from "../../../errors.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import type { Tunnel } from "../../http/tunnel.ts";
import type { ServerRequest, ServerResponse } from "../../server/exchange.ts";
import type { Seat, ServerRun } from "../../server/life.ts";
import { http } from "./http.ts";
import { responseHeaders } from "./http_run.ts";

const COMMAND = { entrypoint: "./main", args: [], env: {} };

/** What a caller gets of an answer's fields. */
function answered(fields: HeaderField[], request: RequestFields = {}): HeaderField[] {
  return responseHeaders(fields, programRequest(request), "id-1");
}

Deno.test("the answer's own fields go on: no framing, no connection's, no money's", () => {
  const fields: HeaderField[] = [
    ["content-type", "text/plain"],
    ["content-length", "5"],
    ["connection", "X-Own, keep-alive"],
    ["keep-alive", "timeout=5"],
    ["x-own", "1"],
    ["trailer", "x-sum"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["payment-response", "lies"],
    ["khachapuri-credits", "0"],
    ["idempotency-replayed", "true"],
    ["x-forwarded-for", "10.0.0.1"],
    ["set-cookie", "a=b"],
    ["set-cookie", "c=d"],
    ["x-request-id", "its-own"],
  ];
  assert.deepEqual(answered(fields), [
    ["content-type", "text/plain"],
    ["set-cookie", "a=b"],
    ["set-cookie", "c=d"],
    ["x-request-id", "its-own"],
  ]);
});

Deno.test("an answer without the request's id is given it", () => {
  assert.deepEqual(answered([["etag", '"a"']]), [["etag", '"a"'], ["x-request-id", "id-1"]]);
});

Deno.test("an answer with two values of what has one is the server's failure", () => {
  const fields: HeaderField[] = [["location", "/a"], ["location", "/b"]];
  assert.throws(() => answered(fields), {
    code: "program_failed",
    message: /two different location/,
  });
});

Deno.test("a redirect to a path of the server's leads to where callers find it", () => {
  const location = (value: string, request: RequestFields = {}) =>
    answered([["location", value]], request)[0]![1];
  const cases: [string, string][] = [
    ["/", "/bafkcid/"],
    ["/login?next=/bafkcid/a", "/bafkcid/login?next=/bafkcid/a"],
    ["/bafkcidextra", "/bafkcid/bafkcidextra"],
    ["/\\evil.example", "/bafkcid/\\evil.example"],
    ["/bafkcid", "/bafkcid"],
    ["/bafkcid/login", "/bafkcid/login"],
    ["/bafkcid?a", "/bafkcid?a"],
    ["/bafkcid#a", "/bafkcid#a"],
    ["//other.example/a", "//other.example/a"],
    ["https://other.example/a", "https://other.example/a"],
    ["login", "login"],
    ["?a", "?a"],
    ["", ""],
  ];
  for (const [said, told] of cases) assert.equal(location(said), told);
  assert.equal(location("/login", { mount: "" }), "/login");
  const base = new URL("https://site.example/cloud");
  assert.equal(location("/login", { base }), "/cloud/bafkcid/login");
  assert.equal(location("/cloud/bafkcid/login", { base }), "/cloud/bafkcid/login");
});

Deno.test("so does one to a URL that the server made of the caller's Host, and no other", () => {
  const location = (value: string, request: RequestFields = {}) =>
    answered([["location", value]], request)[0]![1];
  const base = new URL("https://site.example");
  const own = { base, headers: [["host", "Site.example"] as HeaderField] };
  const cases: [string, string][] = [
    ["https://site.example/login?a#b", "https://site.example/bafkcid/login?a#b"],
    ["http://site.example/login", "http://site.example/bafkcid/login"],
    ["HTTPS://SITE.example:443/login", "HTTPS://SITE.example:443/bafkcid/login"],
    ["https://site.example", "https://site.example/bafkcid/"],
    ["https://site.example/", "https://site.example/bafkcid/"],
    ["https://site.example/bafkcid/login", "https://site.example/bafkcid/login"],
    ["https://site.example/bafkcid", "https://site.example/bafkcid"],
    ["https://site.example:8443/login", "https://site.example:8443/login"],
    ["https://site.example.evil/login", "https://site.example.evil/login"],
    ["https://site.example@evil.example/login", "https://site.example@evil.example/login"],
    ["https://me@site.example/login", "https://me@site.example/login"],
    ["https://site.example\\@evil.example/", "https://site.example\\@evil.example/"],
    ["https://site.example//login", "https://site.example//login"],
    ["ftp://site.example/login", "ftp://site.example/login"],
  ];
  for (const [said, told] of cases) assert.equal(location(said, own), told);
  const named = { base, headers: [["host", "site.example:8443"] as HeaderField] };
  assert.equal(
    location("https://site.example:8443/login", named),
    "https://site.example:8443/bafkcid/login",
  );
  assert.equal(
    location("https://site.example/login", { ...own, mount: "" }),
    "https://site.example/login",
  );
});

const RECORD: RunRecord = {
  exit: 0,
  signal: null,
  limit: null,
  wallMs: 1,
  listeningPort: null,
  cpuMs: null,
  peakMemoryBytes: null,
  stdinBytes: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  egress: null,
  stderr: new Uint8Array(),
};

/** A seat at a server that is played; `run` notes what is asked of it. */
function playSeat(response: Promise<ServerResponse>) {
  const asked: unknown[] = [];
  const run: ServerRun = {
    response,
    record: Promise.resolve(RECORD),
    kill: () => void asked.push("kill"),
    extend: (ms) => void asked.push(ms),
    begun: () => 7,
  };
  const seat: Seat = {
    limits: LIMITS,
    send(request: ServerRequest) {
      asked.push(request);
      return run;
    },
    release() {},
  };
  return { seat, asked };
}

function responseWith(changes: Partial<ServerResponse>, chunks: string[] = []): ServerResponse {
  const left = chunks.map((text) => new TextEncoder().encode(text));
  return {
    status: 200,
    fields: [],
    bodyBytes: null,
    read: () => Promise.resolve(left.shift() ?? null),
    cancel() {},
    trailers: () => [],
    tunnel: null,
    ...changes,
  };
}

Deno.test("a request is sent with its body, and its run is the server's", async () => {
  const { seat, asked } = playSeat(Promise.resolve(responseWith({ status: 404 })));
  const body = chunksSource([]);
  const request = programRequest({ method: "POST", hasBody: true, bodyBytes: 0 });
  const run = await http.prepare(COMMAND, request)(seat, body);
  const [sentRequest] = asked as [ServerRequest];
  assert.equal(sentRequest.body, body);
  assert.equal(sentRequest.method, "POST");
  const { status, hasHead, announcedBytes, tunnel } = await run.respond();
  assert.deepEqual([status, hasHead, announcedBytes, tunnel], [404, true, null, undefined]);
  run.extend(5);
  run.kill();
  assert.deepEqual(asked.slice(1), [5, "kill"]);
  assert.equal(run.begun(), 7);
  assert.equal(await run.record, RECORD);
});

Deno.test("an answer is whole with its length's last byte, or with its end", async () => {
  const known = playSeat(Promise.resolve(responseWith({ bodyBytes: 4 }, ["ab", "cd"])));
  const run = await http.prepare(COMMAND, programRequest())(known.seat, null);
  assert.equal(run.isComplete(), false);
  const { read, bodyBytes } = await run.respond();
  assert.equal(bodyBytes, 4);
  await read();
  assert.equal(run.isComplete(), false);
  await read();
  assert.equal(run.isComplete(), true);
  assert.equal(await read(), null);

  const unknown = playSeat(Promise.resolve(responseWith({}, ["ab"])));
  const other = await http.prepare(COMMAND, programRequest())(unknown.seat, null);
  const response = await other.respond();
  await response.read();
  assert.equal(other.isComplete(), false);
  assert.equal(await response.read(), null);
  assert.equal(other.isComplete(), true);
});

Deno.test("trailers, tunnel and giving up are the connection's own", async () => {
  const tunnel: Tunnel = {
    read: () => Promise.resolve(null),
    write: () => Promise.resolve(),
    close() {},
  };
  let gaveUp = 0;
  const { seat } = playSeat(Promise.resolve(responseWith({
    status: 101,
    tunnel,
    trailers: () => [["x-sum", "1"]],
    cancel: () => void (gaveUp += 1),
  })));
  const run = await http.prepare(COMMAND, programRequest({ upgrade: "websocket" }))(seat, null);
  const response = await run.respond();
  assert.equal(response.status, 101);
  assert.equal(response.tunnel, tunnel);
  assert.deepEqual(response.trailers!(), [["x-sum", "1"]]);
  await response.cancel();
  assert.equal(gaveUp, 1);
});

Deno.test("a run whose answer fails is over, as is one whose body breaks off", async () => {
  const failure = new KhachapuriError("program_failed", "it ended");
  const failed = playSeat(Promise.reject(failure));
  const run = await http.prepare(COMMAND, programRequest())(failed.seat, null);
  await assert.rejects(run.respond(), failure);
  assert.equal(run.isComplete(), true);

  const breaking = playSeat(Promise.resolve(responseWith({ read: () => Promise.reject(failure) })));
  const other = await http.prepare(COMMAND, programRequest())(breaking.seat, null);
  const { read } = await other.respond();
  await assert.rejects(read(), failure);
  assert.equal(other.isComplete(), true);
});

import assert from "node:assert/strict";
import { LIMITS, playRun } from "../../../../worlds/sandbox/played_run.ts";
import { programRequest, type RequestFields } from "../../../../worlds/sandbox/program_request.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import { http, httpInvocation } from "./http.ts";

const COMMAND = { entrypoint: "./main", args: [], env: {} };
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What the server gets; @param fields that differ from a plain GET's */
function sent(fields: RequestFields = {}) {
  const { request } = httpInvocation(programRequest(fields));
  const values = (name: string) => request.fields.filter(([its]) => its === name).map(([, v]) => v);
  const value = (name: string) => {
    assert.ok(values(name).length <= 1, `${name} is there twice`);
    return values(name)[0] ?? null;
  };
  return { ...request, values, value };
}

Deno.test("a plain GET goes on with who asked whom, in both of the usual ways", () => {
  const { request, id } = httpInvocation(programRequest({
    path: "/a%2Fb",
    query: "c=%20d",
    headers: [["accept", "*/*"], ["host", "Provider.Example:8443"], ["cookie", "a=b"]],
  }));
  assert.match(id, UUID);
  assert.deepEqual(request, {
    method: "GET",
    target: "/a%2Fb?c=%20d",
    fields: [
      ["host", "Provider.Example:8443"],
      ["accept", "*/*"],
      ["cookie", "a=b"],
      ["x-forwarded-for", "192.0.2.7"],
      ["x-forwarded-proto", "https"],
      ["x-forwarded-host", "Provider.Example:8443"],
      ["x-forwarded-port", "8443"],
      ["x-forwarded-prefix", "/bafkcid"],
      ["forwarded", 'for=192.0.2.7;host="Provider.Example:8443";proto=https'],
      ["via", "1.1 khachapuri"],
      ["x-request-id", id],
    ],
    bodyBytes: null,
    upgrade: null,
  });
});

Deno.test("the target is path and query in the octets that were sent, and never empty", () => {
  const cases: [RequestFields, string][] = [
    [{ path: "" }, "/"],
    [{ path: "", query: "" }, "/?"],
    [{ path: "/", query: null }, "/"],
    [{ path: "/", query: "" }, "/?"],
    [{ path: "//a/../b;c", query: "d?e" }, "//a/../b;c?d?e"],
    [{ path: "/\xe9%ff%00" }, "/\xe9%ff%00"],
    [{ path: "*", method: "OPTIONS" }, "*"],
  ];
  for (const [fields, target] of cases) assert.equal(sent(fields).target, target);
});

Deno.test("a method is passed on as it is spelled", () => {
  for (const method of ["GET", "get", "PROPFIND", "OPTIONS", "X-1"]) {
    assert.equal(sent({ method }).method, method);
  }
});

Deno.test("the body's length is the connection's to say, known or not", () => {
  const headers = { "content-length": "5", "transfer-encoding": "chunked", expect: "100-continue" };
  const request = sent({ method: "POST", hasBody: true, bodyBytes: 5, headers });
  assert.equal(request.bodyBytes, 5);
  for (const name of Object.keys(headers)) assert.equal(request.value(name), null, name);
  assert.equal(sent({ method: "POST", hasBody: true }).bodyBytes, null);
  assert.equal(sent({ method: "POST", bodyBytes: 0 }).bodyBytes, 0);
});

Deno.test("what is one connection's alone does not pass, named or known", () => {
  const names = ["keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"];
  const headers: HeaderField[] = names.map((name) => [name, "x"]);
  headers.push(["connection", "close, X-Own"], ["x-own", "1"], ["x-kept", "2"], ["upgrade", "h2c"]);
  const request = sent({ headers });
  const lost = [...names, "connection", "x-own", "upgrade"];
  assert.deepEqual(lost.filter((name) => request.value(name) !== null), []);
  assert.equal(request.value("x-kept"), "2");
});

Deno.test("what a WebSocket's handshake says passes, and its upgrade is told apart", () => {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
    "sec-websocket-protocol": "chat",
  };
  const request = sent({ headers, upgrade: "websocket" });
  assert.equal(request.upgrade, "websocket");
  assert.equal(request.value("upgrade"), null);
  assert.equal(request.value("sec-websocket-key"), headers["sec-websocket-key"]);
  assert.equal(request.value("sec-websocket-protocol"), "chat");
});

Deno.test("a server sees no payment, and nobody poses as its payer", () => {
  const names = ["payment-signature", "x-payment", "khachapuri-payer", "khachapuri_payer", "payer"];
  const headers: HeaderField[] = names.map((name) => [name, "0xsecret"]);
  const request = sent({ headers });
  assert.deepEqual(request.fields.filter((field) => field[1] === "0xsecret"), []);
  const payer = `0x${"Ab".repeat(20)}` as const;
  assert.equal(sent({ headers, payer }).value("khachapuri-payer"), payer);
});

Deno.test("no name that others read as one of ours is passed on in its place", () => {
  for (const name of ["content_length", "content.length", "x_request_id", "x-request_id"]) {
    assert.equal(sent({ headers: { [name]: "5" } }).value(name), null, name);
  }
  assert.equal(sent({ headers: { x_own: "5" } }).value("x_own"), "5");
});

Deno.test("no variable of a server's is set to a proxy by a stranger", () => {
  assert.equal(sent({ headers: { proxy: "http://evil.example" } }).value("proxy"), null);
});

Deno.test("what a stranger says of the way that it took is dropped, however it is spelled", () => {
  const lies: HeaderField[] = [
    "forwarded",
    "x-forwarded-for",
    "x_forwarded_for",
    "x-forwarded-prefix",
    "x-forwarded-port",
    "x-real-ip",
    "x-forwarded",
    "x.forwarded.host",
  ].map((name) => [name, "127.0.0.66"]);
  const { fields } = sent({ headers: lies, mount: "" });
  assert.deepEqual(fields.filter((field) => field[1].includes("127.0.0.66")), []);
});

Deno.test("a deployment on a host of its own has no prefix", () => {
  const request = sent({ mount: "", headers: { host: "bafkcid.provider.example" } });
  assert.equal(request.value("x-forwarded-prefix"), null);
  assert.equal(
    request.value("forwarded"),
    "for=192.0.2.7;host=bafkcid.provider.example;proto=https",
  );
  assert.equal(request.value("x-forwarded-port"), "443");
});

Deno.test("a provider below a path of its site says so in the prefix", () => {
  const request = sent({ base: new URL("http://site.example/cloud/"), headers: { host: "a:" } });
  assert.equal(request.value("x-forwarded-prefix"), "/cloud/bafkcid");
  assert.equal(request.value("x-forwarded-proto"), "http");
  assert.equal(request.value("x-forwarded-port"), "80");
});

Deno.test("RFC 7239 6: an IPv6 address stands in brackets and quotes, a host with a port too", () => {
  const request = sent({ remoteAddress: "2001:db8::7", headers: { host: "[::1]:8402" } });
  assert.equal(request.value("x-forwarded-for"), "2001:db8::7");
  assert.equal(request.value("x-forwarded-host"), "[::1]:8402");
  assert.equal(request.value("x-forwarded-port"), "8402");
  assert.equal(request.value("forwarded"), 'for="[2001:db8::7]";host="[::1]:8402";proto=https');
});

Deno.test("a host that ends in digits behind brackets names no port", () => {
  assert.equal(sent({ headers: { host: "[2001:db8::80]" } }).value("x-forwarded-port"), "443");
});

Deno.test("HTTP/1.0 may name no host: then it is ours", () => {
  const base = new URL("http://provider.example:8402");
  const request = sent({ protocol: "HTTP/1.0", base });
  assert.equal(request.value("host"), "provider.example:8402");
  assert.equal(request.value("x-forwarded-host"), "provider.example:8402");
  assert.equal(request.value("via"), "1.0 khachapuri");
});

Deno.test("Via goes on behind those of the proxies before us, by the version that we were sent", () => {
  const headers: HeaderField[] = [["via", "1.1 fred"], ["via", "1.0 a, 1.1 b"]];
  const request = sent({ headers, protocol: "HTTP/2.0" });
  assert.deepEqual(request.values("via"), ["1.1 fred", "1.0 a, 1.1 b", "2 khachapuri"]);
});

Deno.test("a request keeps the id that its caller gave it, if that is one", () => {
  for (
    const given of [
      "a",
      "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
      "Root=1-67891233-ab/c+d==",
      "x".repeat(128),
    ]
  ) {
    assert.equal(sent({ headers: { "x-request-id": given } }).value("x-request-id"), given);
  }
  for (const given of ["", "a b", "a\tb", 'a"b', "caf\xe9", "<b>", "${a}", "x".repeat(129)]) {
    assert.match(sent({ headers: { "x-request-id": given } }).value("x-request-id")!, UUID, given);
  }
  const twice: HeaderField[] = [["x-request-id", "a"], ["x-request-id", "b"]];
  assert.match(sent({ headers: twice }).value("x-request-id")!, UUID);
  assert.notEqual(sent().value("x-request-id"), sent().value("x-request-id"));
});

Deno.test("two values of what has one are the caller's mistake, and cost nothing", () => {
  const headers: HeaderField[] = [["content-type", "a/b"], ["content-type", "a/c"]];
  assert.throws(() => http.prepare(COMMAND, programRequest({ headers })), {
    code: "invalid_input",
  });
  const same: HeaderField[] = [["content-type", "a/b"], ["content-type", "a/b"]];
  assert.equal(sent({ headers: same }).value("content-type"), "a/b");
});

Deno.test("a server's program is not run for a request", async () => {
  const sandbox = {
    limits: LIMITS,
    run: (request: Parameters<typeof playRun>[0]) => Promise.resolve(playRun(request).live),
    close: () => Promise.resolve(),
  };
  const start = http.prepare(COMMAND, programRequest());
  await assert.rejects(start(sandbox, null), { code: "internal" });
});

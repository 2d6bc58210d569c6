import assert from "node:assert/strict";
import { programRequest, type RequestFields } from "../../../../worlds/sandbox/program_request.ts";
import { metaVariables, mountPath, programFields } from "./meta_variables.ts";

function variables(fields: RequestFields = {}): Record<string, string> {
  const request = programRequest(fields);
  return metaVariables(request, programFields(request));
}

Deno.test("a header with an underscore can't pose as another one's variable", () => {
  const env = variables({ headers: { "x_role": "admin", "x-role": "guest", "a.b": "1" } });
  assert.equal(env.HTTP_X_ROLE, "guest");
  assert.equal(Object.keys(env).filter((name) => name.includes("A.B")).length, 0);
});

Deno.test("RFC 3875 4.1.5 and 4.1.6: the example path is decoded", () => {
  const env = variables({
    base: new URL("http://somehost.com"),
    mount: "/cgi-bin/somescript",
    path: "/this%2eis%2epath%3binfo",
  });
  assert.equal(env.SCRIPT_NAME, "/cgi-bin/somescript");
  assert.equal(env.PATH_INFO, "/this.is.path;info");
});

Deno.test("RFC 3875 4.1: every required variable is set", () => {
  const env = variables({
    method: "POST",
    query: "a=1&b=2",
    hasBody: true,
    bodyBytes: 5,
    headers: { "content-type": "text/plain", "content-length": "5", accept: "*/*" },
  });
  assert.deepEqual(env, {
    GATEWAY_INTERFACE: "CGI/1.1",
    PATH_INFO: "/",
    QUERY_STRING: "a=1&b=2",
    REMOTE_ADDR: "192.0.2.7",
    REMOTE_HOST: "192.0.2.7",
    REQUEST_METHOD: "POST",
    REQUEST_SCHEME: "https",
    REQUEST_URI: "/bafkcid/?a=1&b=2",
    SCRIPT_NAME: "/bafkcid",
    SERVER_NAME: "provider.example",
    SERVER_PORT: "443",
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_SOFTWARE: "khachapuri",
    HTTPS: "on",
    CONTENT_TYPE: "text/plain",
    CONTENT_LENGTH: "5",
    HTTP_ACCEPT: "*/*",
  });
});

Deno.test("RFC 3875 4.1.2: CONTENT_LENGTH is set where there is a length, QUERY_STRING always", () => {
  const nothing = variables();
  assert.equal(nothing.CONTENT_LENGTH, undefined);
  assert.equal(nothing.QUERY_STRING, "");
  assert.equal(variables({ bodyBytes: 0 }).CONTENT_LENGTH, "0");
  // Of a body that was read whole the length is known, whatever its fields say.
  assert.equal(variables({ hasBody: true, bodyBytes: 13 }).CONTENT_LENGTH, "13");
  const unsaid = variables({ hasBody: true, headers: { "transfer-encoding": "chunked" } });
  assert.equal(unsaid.CONTENT_LENGTH, undefined);
});

Deno.test("RFC 3875 4.1.5: nothing behind the cid is no path, and a slash is one", () => {
  const paths = (fields: RequestFields) => {
    const { SCRIPT_NAME, PATH_INFO, REQUEST_URI } = variables(fields);
    return [SCRIPT_NAME, PATH_INFO, REQUEST_URI];
  };
  assert.deepEqual(paths({ path: "" }), ["/bafkcid", "", "/bafkcid"]);
  assert.deepEqual(paths({ path: "/" }), ["/bafkcid", "/", "/bafkcid/"]);
  assert.deepEqual(paths({ path: "", query: "" }), ["/bafkcid", "", "/bafkcid?"]);
  assert.deepEqual(paths({ path: "//a/../b" }), ["/bafkcid", "//a/../b", "/bafkcid//a/../b"]);
});

Deno.test("a path is decoded octet by octet, and only NUL is refused", () => {
  assert.throws(() => variables({ path: "/a%00b" }), { code: "invalid_input", message: /NUL/ });
  assert.equal(variables({ path: "/caf%E9" }).PATH_INFO, "/caf\u00e9");
  assert.equal(variables({ path: "/%e1%83%91%ff" }).PATH_INFO, "/\u00e1\u0083\u0091\u00ff");
  assert.equal(variables({ path: "/100%" }).PATH_INFO, "/100%");
  assert.equal(variables({ path: "/%2525" }).PATH_INFO, "/%25");
  assert.equal(variables({ path: "/%zz%4" }).PATH_INFO, "/%zz%4");
});

Deno.test("RFC 3875 4.1.16: the protocol is the request's", () => {
  for (const protocol of ["HTTP/1.0", "HTTP/1.1", "HTTP/2.0"] as const) {
    assert.equal(variables({ protocol }).SERVER_PROTOCOL, protocol);
  }
});

Deno.test("RFC 3875 4.1.18: a repeated field is one variable, cookies joined as cookies are", () => {
  const headers: [string, string][] = [
    ["accept", "a"],
    ["cookie", "a=1"],
    ["x-a", "1"],
    ["accept", "b"],
    ["cookie", "b=2"],
    ["x-a", "2"],
  ];
  const env = variables({ headers });
  assert.deepEqual([env.HTTP_ACCEPT, env.HTTP_COOKIE, env.HTTP_X_A], ["a, b", "a=1; b=2", "1, 2"]);
  assert.deepEqual(programFields(programRequest({ headers })), headers);
});

Deno.test("a field of one value has one, and a request that gives two is refused", () => {
  for (const name of ["content-type", "content-length", "host", "authorization", "user-agent"]) {
    const same = programRequest({ headers: [[name, "a"], ["x-a", "1"], [name, "a"]] });
    assert.deepEqual(programFields(same), [[name, "a"], ["x-a", "1"]]);
    const two = programRequest({ headers: [[name, "a"], [name, "b"]] });
    const message = new RegExp(`two different ${name} fields`);
    assert.throws(() => programFields(two), { code: "invalid_input", message });
  }
});

Deno.test("a port of its own, plain HTTP and a mount appear as they are", () => {
  const base = new URL("http://cid.provider.example:8402");
  const { SERVER_NAME, SERVER_PORT, SCRIPT_NAME, REQUEST_SCHEME, HTTPS } = variables({
    base,
    mount: "",
  });
  assert.deepEqual(
    [SERVER_NAME, SERVER_PORT, SCRIPT_NAME, REQUEST_SCHEME, HTTPS],
    ["cid.provider.example", "8402", "", "http", undefined],
  );
  assert.equal(variables({ base: new URL("http://provider.example") }).SERVER_PORT, "80");
});

Deno.test("a provider below a path of its web domain is part of where the deployment lives", () => {
  for (const base of ["https://provider.example/base", "https://provider.example/base/"]) {
    const request = programRequest({ base: new URL(base), path: "/a%2eb", query: "c=d" });
    assert.equal(mountPath(request), "/base/bafkcid");
    const { SCRIPT_NAME, PATH_INFO, REQUEST_URI } = metaVariables(request, []);
    assert.deepEqual(
      [SCRIPT_NAME, PATH_INFO, REQUEST_URI],
      ["/base/bafkcid", "/a.b", "/base/bafkcid/a%2eb?c=d"],
    );
  }
});

Deno.test("httpoxy: no variable is made of Proxy, nor a second one of what has its own", () => {
  const env = variables({
    hasBody: true,
    bodyBytes: 5,
    headers: { proxy: "http://evil.example", "content-type": "a/b", "content-length": "5" },
  });
  assert.deepEqual(Object.keys(env).filter((name) => name.startsWith("HTTP_")), []);
  assert.deepEqual([env.CONTENT_TYPE, env.CONTENT_LENGTH], ["a/b", "5"]);
});

Deno.test("a program sees nothing of the connection, nor of money", () => {
  const request = programRequest({
    headers: [
      ["connection", "X-Hop"],
      ["connection", "close, x-other"],
      ["x-hop", "1"],
      ["x-other", "2"],
      ["payment-signature", "bearer"],
      ["x-a", "b"],
    ],
  });
  assert.deepEqual(programFields(request), [["x-a", "b"]]);
});

const PAYER = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

Deno.test("who pays is a variable that no field maps to; there is none when the owner pays", () => {
  const forged: [string, string][] = [["khachapuri-payer", "0x1"], [
    "connection",
    "khachapuri-payer",
  ]];
  assert.equal(variables({ payer: PAYER, headers: forged }).KHACHAPURI_PAYER, PAYER);
  const unpaid = Object.keys(variables({ headers: forged }));
  assert.deepEqual(unpaid.filter((name) => name.includes("KHACHAPURI")), []);
});

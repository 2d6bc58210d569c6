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

Deno.test("RFC 3875 4.1.2: CONTENT_LENGTH is set only with a body, QUERY_STRING always", () => {
  const env = variables({ headers: { "content-length": "0" } });
  assert.equal(env.CONTENT_LENGTH, undefined);
  assert.equal(env.QUERY_STRING, "");
});

Deno.test("a path that no variable can hold is refused", () => {
  assert.throws(() => variables({ path: "/a%00b" }), { code: "invalid_input", message: /NUL/ });
  assert.throws(() => variables({ path: "/%ff" }), { code: "invalid_input", message: /UTF-8/ });
  assert.equal(variables({ path: "/100%" }).PATH_INFO, "/100%");
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
    headers: { proxy: "http://evil.example", "content-type": "a/b", "content-length": "5" },
  });
  assert.deepEqual(Object.keys(env).filter((name) => name.startsWith("HTTP_")), []);
  assert.deepEqual([env.CONTENT_TYPE, env.CONTENT_LENGTH], ["a/b", "5"]);
});

Deno.test("a program sees nothing of the connection, nor of money", () => {
  const request = programRequest({
    headers: { "connection": "X-Hop", "x-hop": "1", "payment-signature": "bearer", "x-a": "b" },
  });
  assert.deepEqual(programFields(request), [["x-a", "b"]]);
});

Deno.test("UTF-8 in a field becomes the text that it was, other bytes stay Latin-1", () => {
  const wire = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
  const env = variables({
    headers: { "x-a": wire("ხაჭაპური"), "x-b": "caf\u00e9", "content-type": wire("a/ბ") },
  });
  assert.deepEqual([env.HTTP_X_A, env.HTTP_X_B, env.CONTENT_TYPE], ["ხაჭაპური", "café", "a/ბ"]);
  // A mark at its beginning is the caller's, too.
  assert.equal(variables({ headers: { "x-a": wire("\ufeffa") } }).HTTP_X_A, "\ufeffa");
});

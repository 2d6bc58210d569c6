import assert from "node:assert/strict";
import { programRequest, type RequestFields } from "../../../../worlds/sandbox/program_request.ts";
import { REQUEST_TARGET_BYTES_MAX } from "../../../limits.ts";
import { redirectedRequest } from "./local_redirect.ts";

/** Path and query that the program is asked for; null when the client has to go there. */
function followed(location: string, fields: RequestFields = {}) {
  const next = redirectedRequest(programRequest(fields), location);
  return next && [next.path, next.query];
}

const OWN_HOST = { base: new URL("https://bafkcid.provider.example"), mount: "" };

Deno.test("a path of the deployment's own is asked of its program", () => {
  assert.deepEqual(followed("/bafkcid/a"), ["/a", null]);
  assert.deepEqual(followed("/bafkcid/a%2fb?c=d?e"), ["/a%2fb", "c=d?e"]);
  assert.deepEqual(followed("/bafkcid"), ["", null]);
  assert.deepEqual(followed("/bafkcid?"), ["", ""]);
  assert.deepEqual(followed("/bafkcid?a"), ["", "a"]);
  assert.deepEqual(followed("/a?b", OWN_HOST), ["/a", "b"]);
  assert.deepEqual(followed("//a", OWN_HOST), ["//a", null]);
  const below = { base: new URL("https://provider.example/base") };
  assert.deepEqual(followed("/base/bafkcid/a", below), ["/a", null]);
});

Deno.test("dots lead nowhere: a path is taken as one on the wire is", () => {
  assert.deepEqual(followed("/bafkcid/../other/a"), ["/../other/a", null]);
  assert.deepEqual(followed("/bafkcid/%2e%2e/metrics"), ["/%2e%2e/metrics", null]);
});

Deno.test("on this credit nothing else is asked for, be it a stranger's or the provider's", () => {
  const elsewhere = ["/", "/metrics", "/bafkcidx", "/bafkother/a", "//evil.example/", "/BAFKCID/"];
  for (const location of elsewhere) assert.equal(followed(location), null, location);
  assert.equal(followed("/bafkcid/a", { base: new URL("https://provider.example/base") }), null);
});

Deno.test("what is no URL, or has a fragment, is left to the client", () => {
  const paths = ["/bafkcid/a b", "/bafkcid/a#b", "/bafkcid/caf\u00e9", "/bafkcid/\t", "bafkcid/a"];
  for (const location of paths) assert.equal(followed(location), null, location);
  const long = `/bafkcid/${"a".repeat(REQUEST_TARGET_BYTES_MAX)}`;
  assert.equal(followed(long), null);
});

Deno.test("it is a GET without a body, or a HEAD, with the caller's other fields", () => {
  const request = programRequest({
    method: "POST",
    path: "/form",
    query: "a",
    headers: {
      "content-type": "text/plain",
      "content-length": "5",
      "content-encoding": "gzip",
      expect: "100-continue",
      accept: "a/b",
      cookie: "c=d",
    },
    hasBody: true,
    bodyBytes: 5,
  });
  assert.deepEqual(redirectedRequest(request, "/bafkcid/done"), {
    ...request,
    method: "GET",
    path: "/done",
    query: null,
    headers: [["accept", "a/b"], ["cookie", "c=d"]],
    hasBody: false,
    bodyBytes: null,
  });
  const head = programRequest({ method: "HEAD" });
  assert.equal(redirectedRequest(head, "/bafkcid/done")?.method, "HEAD");
});

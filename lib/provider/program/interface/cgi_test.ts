import assert from "node:assert/strict";
import { outputOf, streamOf as bodyOf } from "../../../../sandbox/output.ts";
import { programRequest } from "../../../../worlds/sandbox/program_request.ts";
import { RESPONSE_HEAD_BYTES_MAX } from "../../../limits.ts";
import { cgiInvocation, readCgiResponse } from "./cgi.ts";
import { metaVariables, programFields } from "./meta_variables.ts";

/** What is printed, cut into chunks of so many bytes. */
function printed(text: string, size = text.length || 1): ReadableStream<Uint8Array> {
  const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
  return ReadableStream.from(chunks);
}

async function read(text: string, size?: number) {
  const response = await readCgiResponse(outputOf(printed(text, size)));
  const { status, headers, hasHead } = response;
  const body = await new Response(bodyOf(response)).text();
  return { status, headers: [...new Headers(headers)], body, hasHead };
}

const refuses = (text: string, message: RegExp) =>
  assert.rejects(read(text), { code: "program_failed", message });

Deno.test("CVE-2012-1823: a query never becomes an argument of a CGI program", () => {
  assert.deepEqual(cgiInvocation(programRequest({ query: "-s" })).args, []);
});

Deno.test("a CGI program finds its request in the environment", () => {
  const request = programRequest({ query: "a=b", headers: { "x-a": "b" } });
  const { env } = cgiInvocation(request);
  assert.deepEqual(env, metaVariables(request, programFields(request)));
  assert.deepEqual([env.QUERY_STRING, env.HTTP_X_A], ["a=b", "b"]);
  const nul = programRequest({ path: "/%00" });
  assert.throws(() => cgiInvocation(nul), { code: "invalid_input" });
});

Deno.test("RFC 3875 6.2.1: a document response", async () => {
  const answer = await read("Content-Type: text/html\nX-A: 1\n\n<p>hi");
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.headers, [["content-type", "text/html"], ["x-a", "1"]]);
  assert.equal(answer.body, "<p>hi");
});

Deno.test("RFC 3875 6.2.3 and 6.2.4: a client redirect is a 302 unless it says otherwise", async () => {
  const plain = await read("Location: https://example.org/\n\n");
  assert.equal(plain.status, 302);
  const headers = "Status: 301 Moved\nLocation: https://example.org/\nContent-Type: text/plain\n\n";
  const withDocument = await read(`${headers}moved`);
  assert.equal(withDocument.status, 301);
  assert.equal(withDocument.body, "moved");
  assert.deepEqual(withDocument.headers.map(([name]) => name), ["content-type", "location"]);
});

Deno.test("RFC 3875 6.2.2: Location alone with a path is a local redirect", async () => {
  const localRedirect = async (head: string) =>
    (await readCgiResponse(outputOf(printed(`${head}\n\n`)))).localRedirect;
  assert.equal(await localRedirect("Location: /a?b"), "/a?b");
  // Many print a type all the same.
  assert.equal(await localRedirect("Content-Type: text/html\nLocation: /a"), "/a");
  const forClients = [
    "Location: https://example.org/a",
    "Location: a/b",
    "Status: 302 Found\nLocation: /a",
    "Location: /a\nSet-Cookie: a=b",
    "Content-Type: text/html",
  ];
  for (const head of forClients) assert.equal(await localRedirect(head), null, head);
  const { status, headers } = await read("Location: /a\nSet-Cookie: a=b\n\n");
  assert.deepEqual([status, headers], [302, [["location", "/a"], ["set-cookie", "a=b"]]]);
});

Deno.test("RFC 3875 6.3: no CGI field may be there with two values", async () => {
  await refuses("Status: 200\nStatus: 404\n\n", /two different status/);
  await refuses("Content-Type: a/b\nContent-Type: a/c\n\n", /two different content-type/);
  assert.equal((await read("Status: 404\nstatus: 404\n\n")).status, 404);
});

Deno.test("RFC 3875 6.3.5: what a program says to the server alone goes no further", async () => {
  const { headers } = await read("Status: 200\nX-CGI-Note: 1\nX-Note: 2\n\n");
  assert.deepEqual(headers, [["x-note", "2"]]);
});

Deno.test("RFC 3875 6.3.3: Status sets the status and is no header", async () => {
  const answer = await read("status: 404 Not Found\r\ncontent-type: text/plain\r\n\r\nno");
  assert.equal(answer.status, 404);
  assert.deepEqual(answer.headers, [["content-type", "text/plain"]]);
});

Deno.test("a CGI program without a CGI header has failed", async () => {
  await refuses("hello\n", /no header field/);
  await refuses("X-A: 1\n\nbody", /needs Content-Type, Location or Status/);
  await refuses("\nbody", /needs Content-Type/);
  await refuses("HTTP/1.1 200 OK\n\n", /no header field/);
  await refuses("Status: 99\n\n", /no CGI status/);
  await refuses("Status: 101 Switching\n\n", /no CGI status/);
  assert.deepEqual(await read(""), { status: 200, headers: [], body: "", hasHead: false });
});

Deno.test("RFC 3875 6.3.3: a status needs no reason, and is one of a final answer", async () => {
  assert.equal((await read("Status: 200\n\n")).status, 200);
  assert.equal((await read("Status: 599 Odd\n\n")).status, 599);
  await refuses("Status: 600 Odd\n\n", /no CGI status/);
  for (const bad of ["2000", "abc", "20", "100 Continue"]) {
    await refuses(`Status: ${bad}\n\n`, /no CGI status/);
  }
  await refuses("Status: \n\n", /no CGI status/);
});

Deno.test("a CGI header may arrive byte by byte, and what follows it is not looked at", async () => {
  const text = "Content-Type: text/plain\r\n\r\nStatus: 500\n\nbody";
  const answer = await read(text, 1);
  assert.deepEqual([answer.status, answer.body], [200, "Status: 500\n\nbody"]);
  assert.equal(answer.hasHead, true);
});

Deno.test("a CGI header is bounded, and its program is told when it is given up", async () => {
  await refuses(`Status: 200\nx: ${"y".repeat(RESPONSE_HEAD_BYTES_MAX)}`, /larger than/);
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(10_000).fill(120)),
    cancel: () => void (isCancelled = true),
  });
  await assert.rejects(readCgiResponse(outputOf(endless)), { code: "program_failed" });
  assert.ok(isCancelled);
});

Deno.test("what a CGI program says of money and connections goes no further", async () => {
  const answer = await read(
    "Status: 200\nPAYMENT-RESPONSE: x\nConnection: x-hop\nX-Hop: 1\nContent-Length: 9\nX-A: b\n\nbody",
  );
  assert.deepEqual(answer.headers, [["x-a", "b"]]);
});

Deno.test("RFC 3875 6.3.2: a redirect to nowhere, which would be to itself, is none", async () => {
  await refuses("Location:\nStatus: 302\n\n", /Location is empty/);
});

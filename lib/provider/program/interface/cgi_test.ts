import assert from "node:assert/strict";
import { outputOf, streamOf } from "../../../../sandbox/output.ts";
import { cgiInvocation, readCgiResponse } from "./cgi.ts";
import type { ProgramRequest } from "./interface.ts";

const REQUEST: ProgramRequest = {
  method: "GET",
  base: new URL("https://provider.example"),
  mount: "/cid",
  path: "/a",
  query: "-s",
  headers: [["x-own", "1"]],
  hasBody: false,
  remoteAddress: "192.0.2.7",
};

async function read(text: string) {
  const bytes = new TextEncoder().encode(text);
  const response = await readCgiResponse(outputOf(ReadableStream.from(text ? [bytes] : [])));
  const { status, headers, hasHead } = response;
  return { status, headers, hasHead, body: await new Response(streamOf(response)).text() };
}

Deno.test("a query never becomes an argument (CVE-2012-1823)", () => {
  const { args, env } = cgiInvocation(REQUEST);
  assert.deepEqual(args, []);
  assert.equal(env.QUERY_STRING, "-s");
  assert.equal(env.HTTP_X_OWN, "1");
});

Deno.test("a header says type, status or location, and one of them is needed", async () => {
  assert.deepEqual(await read("Content-Type: text/plain\n\nhello"), {
    status: 200,
    headers: [["content-type", "text/plain"]],
    hasHead: true,
    body: "hello",
  });
  assert.equal((await read("Status: 404 Not Found\n\n")).status, 404);
  const moved = await read("Location: https://elsewhere.example/\n\n");
  assert.deepEqual([moved.status, moved.headers[0]?.[0]], [302, "location"]);
  assert.equal((await read("Location: /x\nStatus: 307 Temporary\n\n")).status, 307);
  await assert.rejects(read("X-Own: 1\n\nbody"), { message: /needs Content-Type/ });
});

Deno.test("Status is for the server: it reaches no caller, and must be one", async () => {
  assert.deepEqual((await read("Status: 201\nX-Own: 1\n\n")).headers, [["x-own", "1"]]);
  for (const status of ["100 Continue", "600", "abc", "20"]) {
    await assert.rejects(read(`Status: ${status}\n\n`), { code: "program_failed" }, status);
  }
});

Deno.test("a program that printed nothing has no head, and may say so by its exit", async () => {
  assert.deepEqual(await read(""), { status: 200, headers: [], hasHead: false, body: "" });
});

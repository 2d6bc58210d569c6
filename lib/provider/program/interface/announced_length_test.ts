import assert from "node:assert/strict";
import { chunksSource } from "../../../byte_source.ts";
import { streamOf } from "../../../../sandbox/output.ts";
import { announcedLength, asAnnounced } from "./announced_length.ts";
import type { ProgramResponse } from "./interface.ts";

function answerOf(text: string, announcedBytes: number | null, status = 200): ProgramResponse {
  const source = chunksSource([...text].map((char) => new TextEncoder().encode(char)));
  const read = () => source.read();
  const cancel = () => Promise.resolve();
  return { status, headers: [["x-a", "1"]], hasHead: true, announcedBytes, read, cancel };
}

const bodyOf = (response: ProgramResponse) => new Response(streamOf(response)).text();

Deno.test("a length is announced by Content-Length alone", () => {
  assert.equal(announcedLength([["content-type", "a/b"], ["content-length", "12"]]), 12);
  for (const value of ["", "-1", "abc", "1, 2", "1e3", "9".repeat(30)]) {
    assert.equal(announcedLength([["content-length", value]]), null, value);
  }
  assert.equal(announcedLength([["transfer-encoding", "chunked"], ["content-length", "1"]]), null);
});

Deno.test("a body that is shorter than was announced fails at its end", async () => {
  const response = asAnnounced(answerOf("half", 8), "GET");
  assert.deepEqual(response.headers, [["x-a", "1"]]);
  for (const _ of "half") assert.equal((await response.read())?.length, 1);
  await assert.rejects(response.read(), { message: /announced 8 bytes .* and printed 4/ });
});

Deno.test("a body that is as long as was announced, or longer, is whole", async () => {
  for (const announced of [null, 0, 3, 5]) {
    assert.equal(await bodyOf(asAnnounced(answerOf("whole", announced), "GET")), "whole");
  }
});

Deno.test("where there is no body the announcement goes on", async () => {
  const size = ["content-length", "8"];
  for (const [status, method] of [[200, "HEAD"], [304, "GET"]] as const) {
    const response = asAnnounced(answerOf("", 8, status), method);
    assert.deepEqual(response.headers, [["x-a", "1"], size]);
    assert.equal(await bodyOf(response), "");
  }
  for (const status of [204, 205]) {
    const response = asAnnounced(answerOf("", 8, status), "HEAD");
    assert.deepEqual(response.headers, [["x-a", "1"]]);
  }
});

import assert from "node:assert/strict";
import { chunksSource } from "../../byte_source.ts";
import { serverRequest } from "../../../worlds/server_request.ts";
import { textOf } from "../../../worlds/scripted_server.ts";
import type { ServerRequest } from "./exchange.ts";
import { requestHead } from "./request_head.ts";

const headOf = (request: Partial<ServerRequest>) => textOf(requestHead(serverRequest(request)));
const body = () => chunksSource([]);

Deno.test("a head says what the request says, in octets", () => {
  assert.equal(
    headOf({ target: "/a?b=\xff", fields: [["host", "x"], ["x-a", "\xe9\t b"], ["x-a", ""]] }),
    "GET /a?b=\xff HTTP/1.1\r\nhost: x\r\nx-a: \xe9\t b\r\nx-a: \r\n\r\n",
  );
  assert.match(headOf({ method: "OPTIONS", target: "*" }), /^OPTIONS \* HTTP\/1\.1\r\n/);
  assert.match(headOf({ method: "M-SEARCH" }), /^M-SEARCH /);
});

Deno.test("the body is framed by its length, or in chunks", () => {
  const end = (request: Partial<ServerRequest>) => headOf({ fields: [], ...request }).slice(-32);
  assert.match(
    end({ method: "POST", body: body(), bodyBytes: 12 }),
    /\r\nContent-Length: 12\r\n\r\n$/,
  );
  assert.match(
    end({ method: "GET", body: body(), bodyBytes: 0 }),
    /\r\nContent-Length: 0\r\n\r\n$/,
  );
  assert.match(end({ method: "PUT", body: body() }), /\r\nTransfer-Encoding: chunked\r\n\r\n$/);
  assert.match(end({ method: "POST" }), /\r\nContent-Length: 0\r\n\r\n$/);
  for (const method of ["GET", "HEAD", "DELETE"]) assert.match(end({ method }), /1\.1\r\n\r\n$/);
});

Deno.test("an upgrade asks the connection to become it", () => {
  assert.match(
    headOf({ upgrade: "websocket" }),
    /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n$/,
  );
});

Deno.test("nothing in a request can end its line, or frame the message otherwise", () => {
  const refused: Partial<ServerRequest>[] = [
    ...["", "GET /", "G\r\nA", "G\0", "G:", "GÉ", "CONNECT"].map((method) => ({ method })),
    ...["", "a", "http://a/", "/ b", "/\r\n", "/\n", "/\0", "/\t", "/\x7f", "/\u0101", "*a", "/a\r"]
      .map((target) => ({ target })),
    ...["a\r\nb: c", "a\n", "a\r", "a\0", "a\x1f", "a\x7f", "\u0101", "\u010d\u010a"]
      .map((value): Partial<ServerRequest> => ({ fields: [["x-a", value]] })),
    ...["", "a b", "a:", "a\r\n", "a\0", "\xe9", " a"]
      .map((name): Partial<ServerRequest> => ({ fields: [[name, "x"]] })),
    ...["Connection", "content-length", "Transfer-Encoding", "upgrade", "te", "trailer", "expect"]
      .map((name): Partial<ServerRequest> => ({ fields: [[name, "5"]] })),
    ...[-1, 1.5, NaN, Infinity, 2 ** 53].map((bodyBytes) => ({ body: body(), bodyBytes })),
    { upgrade: "websocket", body: body() },
    { upgrade: "websocket", method: "POST" },
  ];
  for (const request of refused) {
    assert.throws(
      () => headOf({ fields: [], ...request }),
      { code: "invalid_input" },
      JSON.stringify(request),
    );
  }
});

import assert from "node:assert/strict";
import { formatHead } from "./curl_print.ts";

Deno.test("a head is printed as curl -i prints it", () => {
  const headers = new Headers({ "x-b": "2" });
  assert.equal(formatHead(404, headers), "HTTP/1.1 404 Not Found\r\nx-b: 2\r\n\r\n");
  assert.equal(formatHead(299, []), "HTTP/1.1 299\r\n\r\n");
});

Deno.test("headers keep their order, and those that repeat are repeated", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  assert.match(
    formatHead(200, headers),
    /^HTTP\/1\.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2/,
  );
  const listed = [["b", "1"], ["a", "2"]] as const;
  assert.equal(formatHead(200, listed), "HTTP/1.1 200 OK\r\nb: 1\r\na: 2\r\n\r\n");
});

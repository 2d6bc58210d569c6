import assert from "node:assert/strict";
import { formatHead } from "./curl_print.ts";

const text = (...args: Parameters<typeof formatHead>) =>
  new TextDecoder().decode(formatHead(...args));

Deno.test("a head is printed as curl -i prints it, in order and with the server's own reason", () => {
  const fields = [["X-B", "2"], ["set-cookie", "a=1"], ["set-cookie", "b=2"]] as const;
  assert.equal(
    text({ status: 404, reason: "Nothing Here", fields }),
    "HTTP/1.1 404 Nothing Here\r\nX-B: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\n",
  );
  assert.equal(text({ status: 299, reason: "", fields: [] }), "HTTP/1.1 299\r\n\r\n");
});

Deno.test("octets beyond ASCII are printed as they came", () => {
  const head = text({ status: 200, reason: "OK", fields: [["a", "\xc3\xa9"]] });
  assert.match(head, /^a: é\r$/m);
});

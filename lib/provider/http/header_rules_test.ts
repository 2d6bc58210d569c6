import assert from "node:assert/strict";
import {
  connectionOptions,
  type HeaderField,
  isEndToEnd,
  joined,
  singly,
  TOKEN,
  withHost,
} from "./header_rules.ts";

const NONE = connectionOptions(null);

Deno.test("RFC 9110 7.6.1: fields of one connection pass no further", () => {
  const hops = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
  const old = ["proxy-connection", "proxy-authenticate", "proxy-authorization"];
  for (const name of [...hops, ...old]) assert.equal(isEndToEnd(name, NONE), false, name);
  for (const name of ["host", "content-type", "accept", "cookie", "x-te", "proxy"]) {
    assert.equal(isEndToEnd(name, NONE), true, name);
  }
});

Deno.test("Connection names fields of its own, in whatever case and spacing", () => {
  const options = connectionOptions("Keep-Alive,  X-Hop ,close,X-Other");
  for (const name of ["x-hop", "x-other", "close"]) {
    assert.equal(isEndToEnd(name, options), false, name);
  }
  assert.equal(isEndToEnd("x-hop", NONE), true);
  assert.equal(isEndToEnd("x-hop", connectionOptions("")), true);
  assert.equal(isEndToEnd("x-hop-by", options), true);
});

Deno.test("what strangers say of the way that a request took reaches no program", () => {
  for (
    const name of ["forwarded", "x-real-ip", "x-forwarded", "x-forwarded-for", "x-forwarded-host"]
  ) assert.equal(isEndToEnd(name, NONE), false, name);
  for (const name of ["forward", "x-forward", "x-forwardeds", "via", "x-real"]) {
    assert.equal(isEndToEnd(name, NONE), true, name);
  }
});

Deno.test("what is about money passes between caller and provider alone", () => {
  const ours = [
    "payment-signature",
    "payment-required",
    "payment-response",
    "x-payment",
    "x-payment-response",
    "khachapuri-receipt",
    "khachapuri-credits-left",
    "payer",
    "idempotency-replayed",
  ];
  for (const name of ours) assert.equal(isEndToEnd(name, NONE), false, name);
  // The key is the caller's to give, and a program may want it too.
  for (const name of ["idempotency-key", "x-payer", "payer-name", "payload", "payments"]) {
    assert.equal(isEndToEnd(name, NONE), true, name);
  }
});

Deno.test("RFC 9110 5.6.2: a token is one or more of its characters", () => {
  for (const token of ["a", "X-A", "!#$%&'*+.^_`|~09"]) assert.match(token, TOKEN);
  for (const bad of ["", "a b", "a:", "a\n", "é", "a(b)", "a/b", '"a"']) {
    assert.doesNotMatch(bad, TOKEN);
  }
});

Deno.test("RFC 9110 5.3: a field of one value is there once, and lists as often as they came", () => {
  const conflict = (name: string) => new Error(`two of ${name}`);
  const fields: HeaderField[] = [["etag", "a"], ["vary", "x"], ["etag", "a"], ["vary", "x"]];
  assert.deepEqual(singly(fields, conflict), [["etag", "a"], ["vary", "x"], ["vary", "x"]]);
  for (const name of ["content-type", "content-length", "location", "host", "authorization"]) {
    assert.throws(() => singly([[name, "a"], ["x", "y"], [name, "b"]], conflict), {
      message: `two of ${name}`,
    });
  }
  for (const name of ["set-cookie", "www-authenticate", "link", "x-any", "cookie", "via"]) {
    const apart: HeaderField[] = [[name, "a"], [name, "b"]];
    assert.deepEqual(singly(apart, conflict), apart);
  }
});

Deno.test("a field's lines make one value, for cookies as cookies are joined", () => {
  assert.equal(joined("accept", ["a", "b"]), "a, b");
  assert.equal(joined("cookie", ["a=1", "b=2"]), "a=1; b=2");
  assert.equal(joined("accept", ["a"]), "a");
});

Deno.test("Host is whom the request was for", () => {
  const fields: HeaderField[] = [["accept", "*/*"], ["host", "a.example"]];
  assert.equal(withHost(fields, "a.example"), fields);
  assert.equal(withHost(fields, ""), fields);
  const other = [["host", "b.example:1"], ["accept", "*/*"]];
  assert.deepEqual(withHost(fields, "b.example:1"), other);
  assert.deepEqual(withHost([["accept", "*/*"]], "b.example:1"), other);
});

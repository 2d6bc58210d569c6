import assert from "node:assert/strict";
import { connectionOptions, isEndToEnd, TOKEN } from "./header_rules.ts";

const passes = (name: string, connection: string | null = null) =>
  isEndToEnd(name, connectionOptions(connection));

Deno.test("a message's own fields pass, a connection's do not", () => {
  for (const name of ["accept", "content-type", "x-own", "cookie", "authorization", "upgrade-x"]) {
    assert.ok(passes(name), name);
  }
  for (
    const name of ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"]
  ) {
    assert.ok(!passes(name), name);
  }
});

Deno.test("what Connection names is this connection's, however it is spelt", () => {
  assert.ok(!passes("x-hop", "close, X-Hop"));
  assert.ok(!passes("x-hop", " x-hop "));
  assert.ok(passes("x-hop", "close"));
  assert.ok(passes("x-hop", ""));
});

Deno.test("money and receipts are between provider and caller, in both directions", () => {
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
  for (const name of ours) assert.ok(!passes(name), name);
  assert.ok(passes("idempotency-key"), "a program may want it too");
  assert.ok(passes("payer-name"));
});

Deno.test("a field's name is a token", () => {
  for (const good of ["a", "X-Own", "!#$%&'*+.^_`|~"]) assert.match(good, TOKEN);
  for (const bad of ["", "a b", "a:", "é", "a\n", "(a)"]) assert.doesNotMatch(bad, TOKEN);
});

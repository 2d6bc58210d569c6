import assert from "node:assert/strict";
import { KhachapuriError } from "../../errors.ts";
import { decodePaymentRequired, PAYMENT_REQUIRED_HEADER } from "../../payment_header.ts";
import { type Accepts, failureOf } from "./failure.ts";

const nothing: Accepts = () => [];

function bodyOf(error: KhachapuriError, accepts = nothing): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(failureOf(error, accepts, "/x").body));
}

function headersOf(error: KhachapuriError, accepts = nothing): Headers {
  return new Headers(failureOf(error, accepts, "/x").headers);
}

Deno.test("a failure says its code, its sentence and what to do, and is kept by no cache", () => {
  const error = new KhachapuriError("not_found", "nothing here", { hints: ["look elsewhere"] });
  assert.equal(failureOf(error, nothing, "/x").status, 404);
  assert.deepEqual(bodyOf(error), {
    error: "not_found",
    message: "nothing here",
    hints: ["look elsewhere"],
  });
  const headers = headersOf(error);
  assert.equal(headers.get("cache-control"), "no-store");
  assert.equal(headers.get("content-type"), "application/json");
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  for (const name of ["retry-after", "allow", PAYMENT_REQUIRED_HEADER]) {
    assert.equal(headers.get(name), null, name);
  }
});

Deno.test("what was not foreseen shows nothing of itself", () => {
  const error = new KhachapuriError("internal", "unexpected failure: /home/me/keys.json", {
    hints: ["secret"],
    data: { path: "/home/me" },
  });
  assert.deepEqual(bodyOf(error), { error: "internal", message: "the provider failed" });
});

Deno.test("when to come back and which methods there are stand in the headers", () => {
  const busy = new KhachapuriError("overloaded", "busy", { retryAfterSeconds: 1.2 });
  assert.equal(headersOf(busy).get("retry-after"), "2");
  const wrong = new KhachapuriError("method_not_allowed", "no", { allow: "GET, POST" });
  assert.equal(headersOf(wrong).get("allow"), "GET, POST");
  assert.equal(bodyOf(wrong).allow, "GET, POST");
});

Deno.test("a 402 asks for what is accepted, with the counter of who proved to be the payer", () => {
  const lane = { id: `0x${"01".repeat(32)}`, cumulative: 7n };
  const asked: unknown[] = [];
  const accepts: Accepts = (own) => {
    asked.push(own);
    return [{ scheme: "foreign" }];
  };
  const error = new KhachapuriError("payment_required", "the permit is used up", { lane });
  const headers = headersOf(error, accepts);
  const header = headers.get(PAYMENT_REQUIRED_HEADER)!;
  assert.deepEqual(decodePaymentRequired(header), { error: "the permit is used up", offers: [] });
  const required = JSON.parse(atob(header));
  assert.deepEqual(required.accepts, [{ scheme: "foreign" }]);
  assert.equal(required.resource.url, "/x");
  assert.deepEqual(asked, [lane]);
  assert.equal(headers.get("access-control-expose-headers"), PAYMENT_REQUIRED_HEADER);
  const { lane: id, cumulative } = bodyOf(error, accepts);
  assert.deepEqual([id, cumulative], [lane.id, "7"]);
});

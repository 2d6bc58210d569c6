import assert from "node:assert/strict";
import { asKhachapuriError, errorTable, KhachapuriError } from "../../errors.ts";
import { PAYMENT_REQUIRED_HEADER } from "../../payment_header.ts";
import { failureOf } from "./failure.ts";

const LANE = { id: "0x01", cumulative: 7n } as const;
const accepts = ({ lane }: Partial<Pick<KhachapuriError, "lane">>) => [
  { scheme: "one", lane: lane?.id },
  { scheme: "other" },
];

function render(error: KhachapuriError) {
  const { status, headers, body } = failureOf(error, accepts, "/path");
  const text = new TextDecoder().decode(body);
  return { status, headers: new Headers(headers), text, json: JSON.parse(text) };
}

Deno.test("every failure has its status and its code, readable and kept by no cache", () => {
  for (const { code, status } of errorTable().filter((row) => row.code !== "internal")) {
    const said = render(new KhachapuriError(code, "so it is"));
    assert.equal(said.status, status);
    assert.deepEqual(said.json, { error: code, message: "so it is" });
    assert.equal(said.headers.get("content-type"), "application/json");
    assert.equal(said.headers.get("cache-control"), "no-store");
    assert.equal(said.headers.get("x-content-type-options"), "nosniff");
    assert.equal(said.headers.get("access-control-allow-origin"), "*");
    assert.equal(said.headers.get("payment-required") !== null, status === 402, code);
    assert.ok(said.text.endsWith("}\n"));
  }
});

Deno.test("hints and facts stand beside the message", () => {
  const { json } = render(
    new KhachapuriError("program_limit", "too much", {
      hints: ["less"],
      data: { limit: "memory" },
    }),
  );
  const message = "too much";
  assert.deepEqual(json, { error: "program_limit", message, hints: ["less"], limit: "memory" });
});

Deno.test("what we did not foresee shows nothing of itself", () => {
  const hints = ["the key is 1234"];
  const errors = [
    asKhachapuriError(new TypeError("the secret is 1234")),
    new KhachapuriError("internal", "the secret is 1234", { hints, data: { key: "1234" } }),
  ];
  for (const error of errors) {
    const { status, headers, text, json } = render(error);
    assert.equal(status, 500);
    assert.deepEqual(json, { error: "internal", message: "the provider failed" });
    assert.ok(!(text + JSON.stringify([...headers])).includes("1234"));
  }
});

Deno.test("a refusal that ends by itself says when to come back, in whole seconds", () => {
  const error = new KhachapuriError("rate_limited", "too fast", { retryAfterSeconds: 1.2 });
  assert.equal(render(error).headers.get("retry-after"), "2");
  const now = new KhachapuriError("overloaded", "full", { retryAfterSeconds: 0 });
  assert.equal(render(now).headers.get("retry-after"), "0");
  assert.equal(render(new KhachapuriError("overloaded", "full")).headers.get("retry-after"), null);
});

Deno.test("a path that takes other methods names them", () => {
  const error = new KhachapuriError("method_not_allowed", "no", { allow: "GET, POST" });
  const { headers, json } = render(error);
  assert.deepEqual([headers.get("allow"), json.allow], ["GET, POST", "GET, POST"]);
  assert.equal(render(new KhachapuriError("not_found", "no")).headers.get("allow"), null);
});

Deno.test("a 402 asks for payment as x402 does, and a browser's script may read it", () => {
  const { headers, json } = render(
    new KhachapuriError("payment_required", "no credits left", { lane: LANE }),
  );
  const asked = JSON.parse(atob(headers.get("payment-required")!));
  assert.equal(asked.x402Version, 2);
  assert.equal(asked.error, "no credits left");
  assert.equal(asked.resource.url, "/path");
  assert.deepEqual(asked.accepts, [{ scheme: "one", lane: "0x01" }, { scheme: "other" }]);
  assert.ok(headers.get("access-control-expose-headers")!.includes(PAYMENT_REQUIRED_HEADER));
  assert.deepEqual([json.lane, json.cumulative], ["0x01", "7"]);
});

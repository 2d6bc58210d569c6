import assert from "node:assert/strict";
import { asKhachapuriError, errorTable, KhachapuriError } from "../../errors.ts";
import { PAYMENT_REQUIRED_HEADER } from "../../payment_header.ts";
import { exampleCall } from "./example_call.ts";
import { type Asking, failureOf, prepared } from "./failure.ts";

const LANE = { id: "0x01", cumulative: 7n } as const;
const accepts = ({ lane }: Partial<Pick<KhachapuriError, "lane">>) => [
  { scheme: "one", lane: lane?.id },
  { scheme: "other" },
];

const EXACT = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "10000",
  asset: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  payTo: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
  maxTimeoutSeconds: 60,
  extra: { name: "USD Coin", version: "2" },
};
const ASKING: Asking = { accepts, resource: { url: "https://p.example/path" }, page: null };
const PAGE = {
  provider: "paolo.eth",
  called: "paolo.eth/path",
  example: exampleCall(null),
  payUrl: "/pay?call=%2Fpath",
};

function render(error: KhachapuriError, asking: Asking | null = ASKING) {
  const { status, headers, body } = failureOf(error, asking);
  const text = new TextDecoder().decode(body);
  const json = text.startsWith("{") ? JSON.parse(text) : null;
  return { status, headers: new Headers(headers), text, json };
}

const unpaid = (data: Record<string, unknown> = {}) =>
  new KhachapuriError("payment_required", "no credits left", { data, hints: ["allow <some>"] });
const decoded = (header: string | null) => JSON.parse(atob(header!));

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
  assert.equal(asked.resource.url, "https://p.example/path");
  assert.deepEqual(asked.accepts, [{ scheme: "one", lane: "0x01" }, { scheme: "other" }]);
  assert.ok(headers.get("access-control-expose-headers")!.includes(PAYMENT_REQUIRED_HEADER));
  assert.deepEqual([json.lane, json.cumulative], ["0x01", "7"]);
});

Deno.test("x402's word for a refusal stands in its header, and beside our code in the body", () => {
  const { headers, json } = render(unpaid({ x402Reason: "invalid_exact_evm_signature" }));
  assert.equal(decoded(headers.get("payment-required")).error, "invalid_exact_evm_signature");
  assert.deepEqual([json.error, json.reason], ["payment_required", "invalid_exact_evm_signature"]);
  assert.equal(json.x402Reason, undefined);
});

Deno.test("a payment that came to nothing is told, and no other is asked for", () => {
  const settlement = { success: false, errorReason: "settlement_pending", transaction: "0x01" };
  for (const page of [null, PAGE]) {
    const asking = { accepts: () => [EXACT], resource: ASKING.resource, page };
    const { status, headers, json } = render(unpaid({ settlement }), asking);
    assert.equal(status, 402);
    assert.equal(headers.get("payment-required"), null);
    for (const name of ["payment-response", "x-payment-response"]) {
      assert.deepEqual(decoded(headers.get(name)), settlement);
      const exposed = headers.get("access-control-expose-headers")!.toLowerCase().split(", ");
      assert.ok(exposed.includes(name), name);
    }
    const [error, message, hints] = ["payment_required", "no credits left", ["allow <some>"]];
    assert.deepEqual(json, { error, message, hints });
  }
});

Deno.test("clients of version 1 find in the body what they can pay, and nothing else", () => {
  const asking = { ...ASKING, accepts: () => [{ scheme: "credits" }, EXACT] };
  const { json } = render(unpaid(), asking);
  assert.deepEqual([json.error, json.x402Version], ["payment_required", 1]);
  assert.deepEqual(json.accepts.map(({ network }: { network: string }) => network), ["base"]);
  const elsewhere = { ...EXACT, network: "eip155:31337" };
  for (const entries of [[{ scheme: "credits" }], [elsewhere], []]) {
    const { json } = render(unpaid(), { ...ASKING, accepts: () => entries });
    assert.deepEqual(Object.keys(json), ["error", "message", "hints"]);
  }
});

Deno.test("a person finds a page that says what it costs, why, and how to pay", () => {
  const prices = [{ scheme: "credits", amount: "1000" }, EXACT];
  const asking = { ...ASKING, accepts: () => prices, page: PAGE };
  const { status, headers, text } = render(unpaid(), asking);
  assert.equal(status, 402);
  assert.equal(headers.get("content-type"), "text/html; charset=utf-8");
  assert.equal(headers.get("vary"), "accept");
  assert.equal(headers.get("cache-control"), "no-store");
  assert.deepEqual(decoded(headers.get("payment-required")).accepts, prices);
  const told = ["no credits left", "0.001 USDC a credit", "0.01 USDC, signed", 'href="/pay?call='];
  for (const words of [...told, "khachapuri call --pay paolo.eth/path"]) {
    assert.ok(text.includes(words), words);
  }
  assert.ok(text.includes("allow &#60;some&#62;") && !/<script|<some>/.test(text));
});

Deno.test("where nothing can be paid for, a 402 asks for nothing", () => {
  const { status, headers, json } = render(unpaid(), null);
  assert.deepEqual([status, json.error], [402, "payment_required"]);
  assert.equal(headers.get("payment-required"), null);
});

Deno.test("an answer that is prepared is the same, and nobody's changes are in another's", () => {
  const error = new KhachapuriError("overloaded", "it is full", { retryAfterSeconds: 3 });
  const plain = failureOf(error);
  assert.equal(prepared(error), error);
  const first = failureOf(error);
  assert.deepEqual(first, plain);
  first.headers.push(["date", "today"]);
  assert.deepEqual(failureOf(error), plain);
});

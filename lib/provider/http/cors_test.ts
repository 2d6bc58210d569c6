import assert from "node:assert/strict";
import type { Cors } from "../../spec/cors.ts";
import { deploymentPreflight, isPreflight, preflightFields, READABLE, readableAs } from "./cors.ts";
import type { HeaderField } from "./header_rules.ts";

const ORIGIN = { origin: "https://app.example" };

/** What stock clients send that pay, whatever else their page asks for. */
const PAYING = [
  "payment-signature",
  "x-payment",
  "content-type",
  "idempotency-key",
  "access-control-expose-headers",
];

/** Whether a browser lets a page send it after this answer (Fetch, "CORS-preflight fetch"). */
function allows(asked: Record<string, string>, method: string, names: string[]): boolean {
  const answer = new Headers([...READABLE, ...preflightFields(new Headers(asked))]);
  const listed = (name: string) =>
    (answer.get(name) ?? "").split(",").map((item) => item.trim().toLowerCase());
  const isSafe = ["GET", "HEAD", "POST"].includes(method);
  return answer.get("access-control-allow-origin") === "*" &&
    (isSafe || answer.get("access-control-allow-methods") === method) &&
    names.every((name) => listed("access-control-allow-headers").includes(name.toLowerCase()));
}

Deno.test("a preflight is an OPTIONS with an origin that asks for a method", () => {
  const asking = new Headers({ ...ORIGIN, "access-control-request-method": "PUT" });
  assert.equal(isPreflight("OPTIONS", asking), true);
  assert.equal(isPreflight("GET", asking), false);
  assert.equal(isPreflight("OPTIONS", new Headers(ORIGIN)), false);
  const noOrigin = new Headers({ "access-control-request-method": "PUT" });
  assert.equal(isPreflight("OPTIONS", noOrigin), false);
});

Deno.test("whatever a page asks for is allowed, as it can be sent without a browser", () => {
  for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY", "M-SEARCH"]) {
    for (const names of [[], ["authorization"], ["x-a", "content-type", "payment-signature"]]) {
      const asked = {
        ...ORIGIN,
        "access-control-request-method": method,
        ...(names.length > 0 ? { "access-control-request-headers": names.join(",") } : {}),
      };
      assert.ok(allows(asked, method, names), `${method} ${names}`);
      assert.ok(allows(asked, method, PAYING));
      assert.ok(!allows(asked, method, ["x-not-asked"]));
    }
  }
});

Deno.test("no page gets a browser's credentials", () => {
  const asked = new Headers({ ...ORIGIN, "access-control-request-method": "PUT" });
  const fields = [...READABLE, ...preflightFields(asked)].map(([name]) => name);
  assert.ok(!fields.includes("access-control-allow-credentials"));
});

Deno.test("what is no method or name is not repeated", () => {
  const asked = new Headers({
    "access-control-request-method": "P U T",
    "access-control-request-headers": 'x-a, "x b", , x-A',
  });
  const answer = new Headers(preflightFields(asked));
  assert.equal(answer.get("access-control-allow-methods"), null);
  assert.equal(
    answer.get("access-control-allow-headers"),
    "PAYMENT-SIGNATURE, X-PAYMENT, Content-Type, Idempotency-Key, Access-Control-Expose-Headers, x-A",
  );
  assert.equal(answer.get("access-control-max-age"), "7200");
});

const APP = "https://app.example";
const LISTED: Cors = { origins: [APP, "https://other.example"] };

/** The preflight of a page for a request with a field of its own. */
function preflight(known: { cors?: Cors } | null, origin = APP): Headers {
  const fields = new Headers({
    origin,
    "access-control-request-method": "PUT",
    "access-control-request-headers": "x-a",
  });
  const { status, headers, body } = deploymentPreflight(fields, known);
  assert.deepEqual([status, body], [204, null]);
  return new Headers(headers);
}

const listOf = (headers: Headers, name: string) =>
  (headers.get(name) ?? "").toLowerCase().split(",").map((item) => item.trim());

Deno.test("whatever pages ask for is allowed where the owner said nothing, and not for long where that is not known", () => {
  for (const [known, seconds] of [[{}, "7200"], [null, "60"]] as const) {
    const headers = preflight(known);
    assert.equal(headers.get("access-control-allow-origin"), "*");
    assert.equal(headers.get("access-control-allow-methods"), "PUT");
    assert.ok(listOf(headers, "access-control-allow-headers").includes("x-a"));
    assert.equal(headers.get("access-control-max-age"), seconds);
  }
});

Deno.test("an owner's word on pages answers their preflights", () => {
  for (const origin of LISTED.origins) {
    const headers = preflight({ cors: LISTED }, origin);
    assert.equal(headers.get("access-control-allow-origin"), origin);
    assert.equal(headers.get("access-control-allow-methods"), "PUT");
    assert.deepEqual(listOf(headers, "access-control-allow-headers"), [...PAYING, "x-a"]);
    assert.ok(listOf(headers, "vary").includes("origin"));
    assert.equal(headers.get("access-control-allow-credentials"), null);
  }
  for (const origin of ["https://evil.example", "null", "https://APP.example"]) {
    const headers = preflight({ cors: LISTED }, origin);
    assert.equal(headers.get("access-control-allow-origin"), null, origin);
    assert.ok(listOf(headers, "vary").includes("origin"));
  }
  const cors: Cors = {
    origins: "*",
    methods: ["GET", "PATCH"],
    headers: ["X-B"],
    maxAgeSeconds: 5,
  };
  const headers = preflight({ cors });
  assert.equal(headers.get("access-control-allow-origin"), "*");
  assert.equal(headers.get("access-control-allow-methods"), "GET, PATCH");
  assert.deepEqual(listOf(headers, "access-control-allow-headers"), [...PAYING, "x-b"]);
  assert.equal(headers.get("access-control-max-age"), "5");
});

/** What a page of `origin` gets of a program that printed `said`. */
function answered(
  cors: Cors | undefined,
  said: HeaderField[],
  origin: string | null = APP,
): Headers {
  const fields = new Headers(origin === null ? {} : { origin });
  const answer = { status: 200, headers: said, body: null };
  return new Headers(readableAs(cors, fields, answer).headers);
}

Deno.test("a program's answer is readable as its owner said, with what is told of money", () => {
  const cors: Cors = { ...LISTED, expose: ["X-Left"] };
  const headers = answered(cors, [[
    "access-control-expose-headers",
    "PAYMENT-RESPONSE, Khachapuri-Receipt",
  ]]);
  assert.equal(headers.get("access-control-allow-origin"), APP);
  const exposed = listOf(headers, "access-control-expose-headers");
  const wanted = [
    "payment-required",
    "payment-response",
    "x-payment-response",
    "x-left",
    "khachapuri-receipt",
  ];
  for (const name of wanted) assert.ok(exposed.includes(name), name);
  assert.equal(headers.get("vary"), "Origin");
  for (const origin of ["https://evil.example", null]) {
    const unread = answered(cors, [["vary", "accept"]], origin);
    assert.equal(unread.get("access-control-allow-origin"), null);
    assert.equal(unread.get("access-control-expose-headers"), null);
    assert.equal(unread.get("vary"), "accept, Origin", "for whoever keeps it");
  }
  const forAll = answered({ origins: "*" }, [], null);
  assert.deepEqual([forAll.get("access-control-allow-origin"), forAll.get("vary")], ["*", null]);
});

Deno.test("what a program says itself of pages counts, and nothing is added where nobody said anything", () => {
  const own: HeaderField[] = [["access-control-allow-origin", "https://its.example"]];
  for (const cors of [LISTED, { origins: "*" } as const, undefined]) {
    assert.deepEqual([...answered(cors, own)], [...new Headers(own)]);
  }
  assert.deepEqual([...answered(undefined, [])], []);
});

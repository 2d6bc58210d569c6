import assert from "node:assert/strict";
import { isPreflight, preflightFields, READABLE } from "./cors.ts";

const ORIGIN = { origin: "https://app.example" };

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
      assert.ok(allows(asked, method, ["PAYMENT-SIGNATURE", "content-type", "idempotency-key"]));
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
    "PAYMENT-SIGNATURE, Content-Type, Idempotency-Key, x-A",
  );
  assert.equal(answer.get("access-control-max-age"), "7200");
});

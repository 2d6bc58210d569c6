import assert from "node:assert/strict";
import { kindOf, plain, readProblem, refusalOf, retryAfter } from "./problem.ts";

const ACME = "urn:ietf:params:acme:error:";

Deno.test("a CA's problem is told in its words, with what to do about each part", () => {
  const problem = readProblem({
    type: `${ACME}compound`,
    detail: "two names failed",
    subproblems: [
      {
        type: `${ACME}caa`,
        detail: "CAA forbids",
        identifier: { type: "dns", value: "a.example" },
      },
      { type: `${ACME}connection`, detail: "refused", identifier: { value: "b.example" } },
    ],
  })!;
  const { message, hints, code, data } = refusalOf(problem, "the order");
  assert.equal(code, "no_certificate");
  assert.equal(data.problem, "compound");
  assert.match(
    message,
    /^the order: two names failed \(compound\); a\.example: CAA forbids \(caa\)/,
  );
  assert.match(hints.join("\n"), /CAA record[^]*firewall/);
});

Deno.test("what is no problem document is none", () => {
  for (const value of [null, "no", 7, [], {}, { type: 7 }, { detail: [] }]) {
    assert.equal(readProblem(value), null, JSON.stringify(value));
  }
  assert.equal(kindOf({ type: "about:blank" }), "about:blank");
});

Deno.test("a stranger's words move no cursor and fill no disk", () => {
  assert.equal(plain("a\x1b[2J\r\n\u2028b\x9b"), "a [2J b");
  assert.equal(plain("x".repeat(5_000)).length, 1_001);
});

Deno.test("Retry-After is seconds or a time, and nothing else", () => {
  const now = Date.parse("2030-01-01T00:00:00Z");
  assert.equal(retryAfter("120", now), 120);
  assert.equal(retryAfter("Tue, 01 Jan 2030 01:00:00 GMT", now), 3_600);
  assert.equal(retryAfter("99999999999999999999", now), 8 * 86_400);
  for (const field of [null, undefined, "", "soon", "-5", "0", "Mon, 31 Dec 2029 00:00:00 GMT"]) {
    assert.equal(retryAfter(field, now), undefined, String(field));
  }
});

import assert from "node:assert/strict";
import {
  EXACT_LOOKS_BURST_MAX,
  NETWORK_EXACT_LOOKS_BURST_MAX,
  NETWORK_EXACT_LOOKS_PER_SECOND_MAX,
} from "../../../limits_of_exact.ts";
import { ExactLooks } from "./looks.ts";

function looksAt() {
  const clock = { ms: 0 };
  const looks = new ExactLooks(() => clock.ms);
  const codeOf = (from?: string) => {
    try {
      looks.admit(from);
      return null;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const admitted = (from: string | undefined, tries: number) =>
    [...Array(tries)].filter(() => codeOf(from) === null).length;
  return { clock, codeOf, admitted };
}

Deno.test("one network has its share, and another one its own", () => {
  const { clock, codeOf, admitted } = looksAt();
  assert.equal(admitted("192.0.2.1", 100), NETWORK_EXACT_LOOKS_BURST_MAX);
  assert.equal(codeOf("192.0.2.1"), "rate_limited");
  assert.equal(codeOf("2001:db8::1"), null);
  clock.ms = 1_000;
  assert.equal(admitted("192.0.2.1", 100), NETWORK_EXACT_LOOKS_PER_SECOND_MAX);
});

Deno.test("all of them have no more than all may, and whom nobody knows counts among them", () => {
  const { codeOf, admitted } = looksAt();
  assert.equal(admitted(undefined, 1_000), EXACT_LOOKS_BURST_MAX);
  assert.equal(codeOf(undefined), "overloaded");
  assert.equal(codeOf("192.0.2.1"), "overloaded");
});

Deno.test("what all had no room for costs a network nothing", () => {
  const { clock, codeOf, admitted } = looksAt();
  admitted(undefined, EXACT_LOOKS_BURST_MAX);
  for (let n = 0; n < 100; n++) assert.equal(codeOf("192.0.2.1"), "overloaded");
  clock.ms = 2_000;
  assert.equal(admitted("192.0.2.1", 100), NETWORK_EXACT_LOOKS_BURST_MAX);
});

Deno.test("when to come back is said", () => {
  const { admitted, codeOf } = looksAt();
  admitted("192.0.2.1", 100);
  assert.equal(codeOf("192.0.2.1"), "rate_limited");
  const looks = new ExactLooks(() => 0);
  for (let n = 0; n < NETWORK_EXACT_LOOKS_BURST_MAX; n++) looks.admit("192.0.2.1");
  assert.throws(() => looks.admit("192.0.2.1"), { retryAfterSeconds: 1, message: /your network/ });
});

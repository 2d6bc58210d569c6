import assert from "node:assert/strict";
import { endText, timeText } from "./time_text.ts";

Deno.test("a time of the chain is ISO 8601 to the second, and beyond all dates it is never", () => {
  assert.equal(timeText(0n), "1970-01-01T00:00:00Z");
  assert.equal(timeText(2_000_000_000n), "2033-05-18T03:33:20Z");
  assert.match(timeText(8_640_000_000_000n - 1n), /^\+27576/);
  for (const seconds of [8_640_000_000_000n, (1n << 64n) - 1n]) {
    assert.equal(timeText(seconds), "never");
  }
});

Deno.test("an end that is no time never comes", () => {
  assert.equal(endText(2_000_000_000n), "until 2033-05-18T03:33:20Z");
  assert.equal(endText((1n << 64n) - 1n), "expires never");
});

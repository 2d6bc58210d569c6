import assert from "node:assert/strict";
import { momentOf } from "./since.ts";

const NOW = Date.parse("2026-11-28T12:00:00Z");
const at = (text: string) => new Date(momentOf("--since", text, NOW)).toISOString();

Deno.test("a duration is so long ago", () => {
  const cases: [string, string][] = [
    ["0s", "2026-11-28T12:00:00.000Z"],
    ["500ms", "2026-11-28T11:59:59.500Z"],
    ["90s", "2026-11-28T11:58:30.000Z"],
    ["10m", "2026-11-28T11:50:00.000Z"],
    ["2h", "2026-11-28T10:00:00.000Z"],
    ["1h30m", "2026-11-28T10:30:00.000Z"],
    ["7d", "2026-11-21T12:00:00.000Z"],
  ];
  for (const [text, expected] of cases) assert.equal(at(text), expected, text);
});

Deno.test("a time is RFC 3339, in UTC unless it says otherwise, or a day", () => {
  const cases: [string, string][] = [
    ["2026-11-28T10:00:00Z", "2026-11-28T10:00:00.000Z"],
    ["2026-11-28t10:00:00.25z", "2026-11-28T10:00:00.250Z"],
    ["2026-11-28T10:00:00+04:00", "2026-11-28T06:00:00.000Z"],
    ["2026-11-28 10:00", "2026-11-28T10:00:00.000Z"],
    ["2026-11-28", "2026-11-28T00:00:00.000Z"],
  ];
  for (const [text, expected] of cases) assert.equal(at(text), expected, text);
});

Deno.test("a time that has not come yet is refused, with the present one", () => {
  assert.equal(at("2026-11-28T12:00:00Z"), "2026-11-28T12:00:00.000Z");
  for (const text of ["2026-11-28T12:00:00.001Z", "2026-11-28T14:00:00+01:00", "2027-01-01"]) {
    assert.throws(
      () => momentOf("--since", text, NOW),
      (error: { code: string; message: string }) =>
        error.code === "usage" && error.message.includes("in the future: it is 2026-11-28T12:00"),
      text,
    );
  }
});

Deno.test("what is neither is refused, with what there is", () => {
  for (const text of ["", "10", "m", "1w", "-5m", "1.5h", "yesterday", "2026-13-01", "12:00"]) {
    assert.throws(
      () => momentOf("--since", text, NOW),
      (error: { code: string; message: string }) =>
        error.code === "usage" && error.message.includes("neither a duration nor a time"),
      text,
    );
  }
});

import assert from "node:assert/strict";
import { KhachapuriError } from "./errors.ts";
import { within, withinTime } from "./within.ts";

const never = new Promise<string>(() => {});
const late = () => new KhachapuriError("overloaded", "too late");

Deno.test("within() gives what comes in time, and says when the time was up", async () => {
  assert.equal(await within(Promise.resolve("here"), 60_000), "here");
  assert.equal(await within(never, 1), "late");
  await assert.rejects(within(Promise.reject(new Error("broken")), 60_000), /broken/);
});

Deno.test("withinTime() fails in the words of who waited", async () => {
  assert.equal(await withinTime(Promise.resolve("here"), 60_000, late), "here");
  await assert.rejects(withinTime(never, 1, late), { code: "overloaded" });
  await assert.rejects(withinTime(Promise.reject(new Error("broken")), 60_000, late), /broken/);
});

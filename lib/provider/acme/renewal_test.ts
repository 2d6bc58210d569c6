import assert from "node:assert/strict";
import { CA_REST_MS_MAX } from "../../limits_of_certificates.ts";
import { boundedTime, expiryAlarm, renewalTime, restMs } from "./renewal.ts";

const DAY_MS = 86_400_000;
const facts = (serial = "01") => ({
  names: ["a.example"],
  issuer: "CN=CA",
  notBefore: 0,
  notAfter: 90 * DAY_MS,
  serial,
  renewalId: null,
});

Deno.test("a certificate is due after two thirds of its life, none at the same time", () => {
  const times = Array.from({ length: 200 }, (_, at) => renewalTime(facts(String(at)), null));
  assert.ok(Math.min(...times) >= 60 * DAY_MS && Math.max(...times) <= 63 * DAY_MS);
  assert.ok(new Set(times).size > 190);
  assert.equal(renewalTime(facts("7"), null), renewalTime(facts("7"), null));
});

Deno.test("the CA's window goes before that", () => {
  const at = renewalTime(facts(), { start: 5 * DAY_MS, end: 6 * DAY_MS });
  assert.ok(at >= 5 * DAY_MS && at < 6 * DAY_MS);
});

Deno.test("a CA is left alone for longer after each failure, and for as long as it asks", () => {
  const rests = [1, 2, 3, 8, 20, 1_000].map((failures) => restMs(failures, 0, undefined) / 60_000);
  assert.deepEqual(rests, [2, 4, 8, 256, 1_440, 1_440]);
  assert.equal(restMs(1, 1, undefined), 150_000);
  assert.equal(restMs(1, 0, 7_200), 7_200_000);
  assert.equal(restMs(1, 0, 1e12), CA_REST_MS_MAX);
  assert.equal(restMs(3, 0, 1), 480_000);
});

Deno.test("a clock that was set back does not put it off for ever", () => {
  assert.equal(boundedTime(10 * 365 * DAY_MS, DAY_MS), DAY_MS + CA_REST_MS_MAX);
  assert.equal(boundedTime(5, DAY_MS), 5);
});

Deno.test("it is an alarm when the end is near, over, or has not begun", () => {
  assert.equal(expiryAlarm(facts(), 60 * DAY_MS), null);
  assert.match(expiryAlarm(facts(), 80 * DAY_MS)!.words, /expires in 10 days/);
  assert.match(expiryAlarm(facts(), 90 * DAY_MS - 3_600_000)!.words, /expires in 1 h/);
  assert.deepEqual(expiryAlarm(facts(), 90 * DAY_MS), {
    isUrgent: true,
    words: "the certificate has expired",
  });
  assert.match(expiryAlarm(facts(), -DAY_MS)!.words, /is the clock right/);
});

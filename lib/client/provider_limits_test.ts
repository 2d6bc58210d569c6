import assert from "node:assert/strict";
import { fetchLimits, limitFaults } from "./provider_limits.ts";

const page = (body: unknown) => () => Promise.resolve(Response.json(body));

Deno.test("a provider's front page says what a run gets", async () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512, requestBytes: 1 };
  const fetched = await fetchLimits("https://p.example", { fetch: page({ name: "p", limits }) });
  assert.deepEqual([fetched.timeoutMs, fetched.memoryMb], [15_000, 512]);
});

Deno.test("a page without limits is no provider's", async () => {
  const asked = fetchLimits("https://p.example", { fetch: page({ hello: 1 }) });
  await assert.rejects(asked, { code: "provider_unavailable" });
});

Deno.test("what is asked for beyond the limits is named", () => {
  const given = { timeoutMs: 15_000, memoryMb: 512 };
  assert.deepEqual(limitFaults(given, given), []);
  assert.deepEqual(limitFaults({ timeoutMs: 99_000, memoryMb: 1_024 }, given), [
    "ends a run after 15 s, not 99 s",
    "gives a run 512 MiB, not 1024 MiB",
  ]);
});

import assert from "node:assert/strict";
import { fetchOffer, limitFaults } from "./provider_limits.ts";

const page = (body: unknown) => () => Promise.resolve(Response.json(body));

Deno.test("a provider's front page says what a run gets", async () => {
  const limits = { timeoutMs: 15_000, memoryMb: 512, requestBytes: 1 };
  for (const machine of [undefined, "aarch64"]) {
    const fetch = page({ name: "p", machine, limits });
    const offer = await fetchOffer("https://p.example", { fetch });
    assert.deepEqual([offer.limits.timeoutMs, offer.limits.memoryMb], [15_000, 512]);
    assert.equal(offer.machine, machine ?? null);
  }
});

Deno.test("a page without limits is no provider's", async () => {
  const asked = fetchOffer("https://p.example", { fetch: page({ hello: 1 }) });
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

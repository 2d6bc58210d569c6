import assert from "node:assert/strict";
import { keccak256 } from "viem";
import { fetchTerms } from "./provider_terms.ts";

const text = (value: string) => new TextEncoder().encode(value);
const TERMS = text("Be kind.\n");
const recordOf = (terms: Uint8Array) => ({
  name: "paolo.test",
  webDomain: "https://paolo.test",
  terms: keccak256(terms),
});

/** A provider's HTTP side that answers everything alike. */
function answering(body: BodyInit, init: ResponseInit = {}) {
  const asked: string[] = [];
  const fetch = ((url: string) => {
    asked.push(url);
    return Promise.resolve(new Response(body, init));
  }) as typeof globalThis.fetch;
  return { asked, fetch };
}

Deno.test("terms are asked for by the hash that the name pins", async () => {
  const record = recordOf(TERMS);
  const { asked, fetch } = answering(TERMS);
  assert.equal(await fetchTerms(record, { fetch }), "Be kind.\n");
  assert.deepEqual(asked, [`https://paolo.test/terms?hash=${record.terms}`]);
});

Deno.test("other terms than the name pins, endless ones and a dead provider are refused", async () => {
  const refuses = (fetch: unknown, code: string) =>
    assert.rejects(fetchTerms(recordOf(TERMS), { fetch: fetch as typeof globalThis.fetch }), {
      code,
    });
  await refuses(answering("Be cruel.").fetch, "terms_refused");
  await refuses(answering(new Uint8Array(300_000)).fetch, "provider_unavailable");
  await refuses(answering("no", { status: 500 }).fetch, "provider_unavailable");
  await refuses(() => Promise.reject(new TypeError("refused")), "provider_unavailable");
});

Deno.test("terms can't drive the terminal", async () => {
  const evil = text("Be \x1b[2Jkind\u202e.\n");
  assert.equal(await fetchTerms(recordOf(evil), answering(evil)), "Be [2Jkind.\n");
});

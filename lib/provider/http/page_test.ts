import assert from "node:assert/strict";
import { getAddress } from "viem";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import { type Offering, offeringHtml, offeringJson } from "./page.ts";

const ADDRESS = getAddress(`0x${"11".repeat(20)}`);

const OFFERING: Offering = {
  name: '<paolo> & "co".eth',
  address: ADDRESS,
  webDomain: "https://paolo.example",
  recipients: ["age1first", "age1second"],
  termsHashes: ["0x01", "0x02"],
  timeoutMs: 15_000,
  memoryMb: 256,
  offer: {
    chainId: 8453,
    escrow: ADDRESS,
    asset: ADDRESS,
    payTo: ADDRESS,
    pricePerCredit: 1_500n,
    maxTimeoutSeconds: 15,
    thawingPeriodSeconds: 3_600,
  },
};

Deno.test("the page for programs says all that a client needs", () => {
  const page = offeringJson(OFFERING, [{ scheme: "credits" }, { scheme: "other" }]);
  assert.deepEqual(page.accepts.map(({ scheme }) => scheme), ["credits", "other"]);
  assert.deepEqual(page.terms, OFFERING.termsHashes);
  assert.deepEqual(page.recipients, OFFERING.recipients);
  assert.deepEqual(page.limits, {
    timeoutMs: 15_000,
    memoryMb: 256,
    requestBytes: REQUEST_BODY_BYTES_MAX,
    responseBytes: RESPONSE_BYTES_MAX,
  });
});

Deno.test("the page for people says price, limits and how to call, and loads nothing", () => {
  const page = offeringHtml(OFFERING);
  assert.ok(page.includes("0.0015 USDC a call"));
  assert.ok(page.includes("15 s, 256 MiB a call"));
  assert.ok(page.includes("curl -X POST https://paolo.example/{cid} -d data"));
  assert.ok(page.includes("eip155:8453"));
  assert.doesNotMatch(page, /<script|src=|<link/);
});

Deno.test("what a provider calls itself is text on its page, not markup", () => {
  const page = offeringHtml(OFFERING);
  assert.doesNotMatch(page, /<paolo>/);
  assert.ok(page.includes("&#60;paolo&#62; &#38; &#34;co&#34;.eth"));
});

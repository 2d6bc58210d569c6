import assert from "node:assert/strict";
import { OFFER, PROVIDER, SELLER } from "../../../worlds/routes.ts";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import { type Offering, offeringHtml, offeringJson } from "./page.ts";

const OFFERING: Offering = {
  name: "provider.test",
  address: PROVIDER.address,
  webDomain: "https://provider.test",
  recipients: ["age1first", "age1second"],
  termsHashes: [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`],
  timeoutMs: 2_500,
  memoryMb: 256,
  offer: OFFER,
};

Deno.test("a program reads all that it needs to deploy and to call", () => {
  const accepts = [{ scheme: "one" }];
  assert.deepEqual(offeringJson(OFFERING, accepts), {
    name: "provider.test",
    address: PROVIDER.address,
    webDomain: "https://provider.test",
    recipients: ["age1first", "age1second"],
    terms: [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`],
    accepts,
    limits: {
      timeoutMs: 2_500,
      memoryMb: 256,
      requestBytes: REQUEST_BODY_BYTES_MAX,
      responseBytes: RESPONSE_BYTES_MAX,
    },
  });
});

Deno.test("until when the earlier price is taken is said to both", () => {
  const oldPrice = { price: 500n, until: 1_700_000_000n };
  const rose = { ...OFFERING, oldPrice };
  assert.deepEqual(offeringJson(rose, []).oldPrice, {
    amount: "500",
    until: "2023-11-14T22:13:20Z",
  });
  const said = "permits signed for 0.0005 USDC are served at that until 2023-11-14T22:13:20Z";
  assert.ok(offeringHtml(rose).includes(said));
});

Deno.test("a person reads who it is, what a call costs, where it is paid and what it may take", () => {
  const html = offeringHtml(OFFERING);
  const said = [
    "provider.test",
    PROVIDER.address,
    "0.001 USDC a call",
    `eip155:31337, escrow ${SELLER.escrow}`,
    "2.5 s, 256 MiB a call",
    // The newest of the terms, and the key that is to be used.
    `<dd>0x${"01".repeat(32)}</dd>`,
    "<dd>age1first</dd>",
    "curl -X POST https://provider.test/{cid} -d data",
  ];
  for (const text of said) assert.ok(html.includes(text), text);
  assert.match(html, /<a href="\/terms">/);
});

Deno.test("the page runs no script and loads nothing from elsewhere", () => {
  const html = offeringHtml(OFFERING);
  assert.doesNotMatch(html, /<script|<link|<img|<iframe|\bon[a-z]+=|url\(|@import/i);
});

Deno.test("whatever stands in the configuration is text on the page", () => {
  const bad = `<script>alert("1")</script>&'`;
  const html = offeringHtml({
    ...OFFERING,
    name: bad,
    webDomain: bad,
    recipients: [bad],
  });
  assert.ok(!html.includes("<script"));
  assert.ok(!html.includes('alert("'));
  const shown = html.replace(/&#([0-9]+);/g, (_, code) => String.fromCharCode(Number(code)));
  // In the title, in the heading, in the example and as the key.
  assert.equal(shown.split(bad).length, 5);
});

Deno.test("a provider without terms or keys has a page all the same", () => {
  const html = offeringHtml({ ...OFFERING, termsHashes: [], recipients: [] });
  assert.match(html, /<dt>Terms<\/dt><dd><\/dd>/);
  assert.match(html, /<dt>Public key<\/dt><dd><\/dd>/);
});

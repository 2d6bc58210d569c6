import assert from "node:assert/strict";
import { OFFER, PROVIDER } from "../../../worlds/routes.ts";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import { type Offering, offeringJson } from "./page.ts";
import { offeringHtml } from "./page_html.ts";

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
    machine: Deno.build.arch,
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

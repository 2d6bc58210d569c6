import assert from "node:assert/strict";
import { OFFER, PROVIDER } from "../../../worlds/routes.ts";
import { REQUEST_BODY_BYTES_MAX, RESPONSE_BYTES_MAX } from "../../limits.ts";
import { type Offering, offeringJson } from "./page.ts";

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

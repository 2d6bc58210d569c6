import assert from "node:assert/strict";
import { EGRESS, IPFS, OFFER, PROVIDER, RUNTIMES } from "../../../worlds/routes.ts";
import { type Offering, offeringJson } from "./page.ts";
import { offeringHtml } from "./page_html.ts";

const MIB = 1024 * 1024;
const OFFERING: Offering = {
  name: "provider.test",
  address: PROVIDER.address,
  webDomain: "https://provider.test",
  recipients: ["age1first", "age1second"],
  termsHashes: [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`],
  timeoutMs: 2_500,
  memoryMb: 256,
  credits: 40,
  requestBytes: 100 * MIB,
  responseBytes: 1_500_000,
  egress: EGRESS,
  instances: 16,
  instanceIdleSeconds: 90,
  names: { perUsdc: 10 },
  ipfs: IPFS,
  offer: OFFER,
};

Deno.test("a program reads all that it needs to deploy and to call", () => {
  const accepts = [{ scheme: "one" }];
  assert.deepEqual(offeringJson(OFFERING, accepts, RUNTIMES), {
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
      credits: 40,
      requestBytes: 100 * MIB,
      responseBytes: 1_500_000,
    },
    egress: {
      hosts: ["*:443"],
      connections: 64,
      connectionsPerSecond: 32,
      bytesPerSecond: 1_000_000,
    },
    servers: { instances: 16, idleSeconds: 90 },
    ipfs: {
      push: { bytesPerUsdc: MIB, carBytesMax: 68 * MIB, keepSeconds: 86_400 },
      gateway: true,
    },
    runtimes: RUNTIMES.found,
    runtimesLacking: RUNTIMES.lacking,
  });
});

Deno.test("a provider that does not know what programs find says nothing of it", () => {
  assert.equal("runtimes" in offeringJson(OFFERING, [], null), false);
  assert.doesNotMatch(offeringHtml(OFFERING, null), /Programs find/);
});

Deno.test("until when the earlier price is taken is said to both", () => {
  const oldPrice = { price: 500n, until: 1_700_000_000n };
  const rose = { ...OFFERING, oldPrice };
  assert.deepEqual(offeringJson(rose, [], null).oldPrice, {
    amount: "500",
    until: "2023-11-14T22:13:20Z",
  });
  const said = "permits signed for 0.0005 USDC are served at that until 2023-11-14T22:13:20Z";
  assert.ok(offeringHtml(rose, null).includes(said));
});

Deno.test("where owners may push nothing, or nobody reads, it says so", () => {
  const ipfs = { ...IPFS, push: false, public: false };
  const json = offeringJson({ ...OFFERING, ipfs }, [], null);
  assert.deepEqual(json.ipfs, { push: null, gateway: false });
});

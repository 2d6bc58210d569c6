import assert from "node:assert/strict";
import { EGRESS, IPFS, OFFER, PROVIDER, RUNTIMES } from "../../../worlds/routes.ts";
import { KEEP_FOREVER, KEEP_NOTHING } from "../../keep.ts";
import type { Accept } from "../../payment_required.ts";
import type { Runtimes } from "../../runtime.ts";
import { type Offering, offeringJson } from "./page.ts";
import { offeringPage } from "./page_html.ts";

const offeringHtml = (
  offering: Offering,
  runtimes: Runtimes | null,
  accepts: readonly Accept[] = [],
) => offeringPage(offering, runtimes, accepts).body;

const MIB = 1024 * 1024;
const OFFERING: Offering = {
  name: "provider.test",
  address: PROVIDER.address,
  webDomain: "https://provider.test",
  recipients: ["age1first", "age1second"],
  termsHashes: [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`],
  keep: { price: KEEP_NOTHING, terms: KEEP_NOTHING },
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
    keep: { price: 0, terms: 0 },
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
    names: { perUsdc: 10 },
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

Deno.test("how long deployments keep their price is said to both", () => {
  assert.deepEqual(offeringJson(OFFERING, [], null).keep, { price: 0, terms: 0 });
  assert.doesNotMatch(offeringHtml(OFFERING, null), /when it changes/);
  const price = { seconds: 7_776_000n };
  const keeping = { ...OFFERING, keep: { price, terms: KEEP_FOREVER } };
  assert.deepEqual(offeringJson(keeping, [], null).keep, { price: 7_776_000, terms: "forever" });
  const said = "when it changes, deployments that were paid for before keep theirs for 90 days";
  assert.ok(offeringHtml(keeping, null).includes(said));
});

Deno.test("where owners may push nothing, or nobody reads, it says so", () => {
  const ipfs = { ...IPFS, push: false, public: false };
  const json = offeringJson({ ...OFFERING, ipfs }, [], null);
  assert.deepEqual(json.ipfs, { push: null, gateway: false });
});

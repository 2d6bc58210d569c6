import assert from "node:assert/strict";
import {
  chainOfV1Network,
  type ExactAccept,
  paymentRequiredV1,
  v1Accept,
  v1Network,
} from "./x402_v1.ts";

const EXACT: ExactAccept = {
  scheme: "exact",
  network: "eip155:8453",
  amount: "10000",
  asset: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  payTo: "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
  maxTimeoutSeconds: 60,
  extra: { name: "USD Coin", version: "2" },
};
const RESOURCE = {
  url: "https://paolo.example/bafk?a=b",
  description: "Bakes",
  mimeType: "text/plain",
};

Deno.test("chains go by their names of version 1, where they have one", () => {
  const known = [[8_453, "base"], [84_532, "base-sepolia"], [137, "polygon"]] as const;
  for (const [chainId, name] of known) {
    assert.equal(v1Network(chainId), name);
    assert.equal(chainOfV1Network(name), chainId);
  }
  for (const chainId of [1, 10, 42_161, 31_337]) assert.equal(v1Network(chainId), null);
  for (const name of ["", "solana", "Base", "eip155:8453", "constructor"]) {
    assert.equal(chainOfV1Network(name), null, name);
  }
});

Deno.test("an entry of version 1 says what that of version 2 does, in its own words", () => {
  assert.deepEqual(v1Accept(EXACT, RESOURCE), {
    scheme: "exact",
    network: "base",
    maxAmountRequired: "10000",
    resource: RESOURCE.url,
    description: "Bakes",
    mimeType: "text/plain",
    payTo: EXACT.payTo,
    maxTimeoutSeconds: 60,
    asset: EXACT.asset,
    extra: EXACT.extra,
  });
  // Both must be there, though nobody says them.
  const bare = v1Accept(EXACT, { url: RESOURCE.url })!;
  assert.deepEqual([bare.description, bare.mimeType], ["", ""]);
  assert.equal(v1Accept({ ...EXACT, network: "eip155:31337" }, RESOURCE), null);
  assert.equal(v1Accept({ ...EXACT, network: "solana:5eykt4Us" }, RESOURCE), null);
});

Deno.test("a client of version 1 meets no scheme that it does not know", () => {
  const credits = { ...EXACT, scheme: "credits" };
  const body = paymentRequiredV1([credits, EXACT], RESOURCE);
  assert.deepEqual(body, { x402Version: 1, accepts: [v1Accept(EXACT, RESOURCE)] });
  assert.equal(paymentRequiredV1([credits], RESOURCE), null);
});

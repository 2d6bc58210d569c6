import assert from "node:assert/strict";
import { shippedOn } from "../../chain/deployments.ts";
import { chainNameOf, CHAINS } from "./chains.ts";

Deno.test("each chain that has a name ships with an escrow, and two endpoints of its own", () => {
  const ids = Object.values(CHAINS).map(({ chainId }) => chainId);
  assert.equal(new Set(ids).size, ids.length);
  for (const [name, { chainId, rpc }] of Object.entries(CHAINS)) {
    assert(shippedOn(chainId), name);
    const hosts = new Set(rpc.map((url) => new URL(url).hostname.split(".").slice(-2).join(".")));
    assert.equal(hosts.size, 2, name);
    assert.equal(chainNameOf(rpc), name);
  }
  assert.equal(chainNameOf(["https://rpc.example"]), null);
});

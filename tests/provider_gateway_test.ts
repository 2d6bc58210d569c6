/** What a caller sees, and nobody pays, when the gateways behind a provider misbehave. */
import assert from "node:assert/strict";
import { readAllowance } from "../lib/chain/escrow.ts";
import { importFile } from "../lib/ipfs/dag.ts";
import {
  type Behaviour,
  lie,
  startHostileGateway,
  status,
} from "../worlds/ipfs/hostile_gateway.ts";
import { startMarket } from "../worlds/market.ts";

const HELLO = { files: { main: "#!/bin/sh\necho hello\n" } };

async function callThrough(behaviour: Behaviour): Promise<Response> {
  const content = importFile(new TextEncoder().encode("anything"));
  await using hostile = startHostileGateway(content, behaviour);
  await using market = await startMarket({ gateways: [hostile.url] });
  const cid = await market.deploy(HELLO);
  const response = await market.call(cid);
  const { owner, provider } = market.accounts;
  const held = await readAllowance(market.chain, market.escrow, owner.address, provider.address);
  assert.equal(held.credits, 1_000n, "the owner was charged");
  return response;
}

async function expectRefusal(behaviour: Behaviour, code: number, error: string) {
  const response = await callThrough(behaviour);
  const body = await response.json();
  assert.deepEqual([response.status, body.error], [code, error], body.message);
  return response;
}

Deno.test("a gateway that lies is a 502", async () => {
  await expectRefusal(lie, 502, "ipfs_mismatch");
});

Deno.test("a gateway that fails is a 503", async () => {
  await expectRefusal(status("500 Internal Server Error"), 503, "ipfs_unavailable");
});

Deno.test("a gateway that is busy is a 503 that says when to come back", async () => {
  const busy = status("429 Too Many Requests", { "retry-after": "7" });
  const response = await expectRefusal(busy, 503, "ipfs_unavailable");
  assert.equal(response.headers.get("retry-after"), "7");
});

Deno.test("a gateway that lies does not matter while another one has the content", async () => {
  const content = importFile(new TextEncoder().encode("anything"));
  await using hostile = startHostileGateway(content, lie);
  await using market = await startMarket({ alsoGateways: [hostile.url] });
  const cid = await market.deploy(HELLO);
  assert.equal(await (await market.call(cid)).text(), "hello\n");
});

Deno.test("content that is too large for a spec is refused", async () => {
  await using market = await startMarket();
  const cid = await market.publish(new Uint8Array(100_000));
  const response = await market.call(cid);
  assert.equal(response.status, 422);
  assert.equal((await response.json()).error, "invalid_spec");
});

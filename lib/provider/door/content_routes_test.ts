import assert from "node:assert/strict";
import { NOW } from "../../../worlds/calls.ts";
import { openRouteWorld, OWNER, type Person, SELLER, STRANGER } from "../../../worlds/routes.ts";
import { KeptBlocks } from "../../../worlds/ipfs/kept_blocks.ts";
import { systemClock } from "../../clock.ts";
import { pushAuthorization, signPush } from "../../spec/push.ts";
import { ContentGateway } from "../content/gateway.ts";
import { GatewayPlaces } from "../content/gateway_places.ts";

const BYTES = new TextEncoder().encode("kept");

Deno.test("content is given below /ipfs/, and pages of other origins may read it", async () => {
  using world = await openRouteWorld();
  const blocks = new KeptBlocks();
  const cid = blocks.putRaw(BYTES);
  const places = new GatewayPlaces();
  world.parts.content.gateway = new ContentGateway({ blocks, places, clock: systemClock });
  const answer = await world.ask(`/ipfs/${cid}?format=raw`);
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.bytes(), BYTES);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.match(answer.headers.get("access-control-expose-headers")!, /ETag.*PAYMENT-REQUIRED/i);
  const other = await world.ask(`/ipfs/${cid}`, { headers: { accept: "text/html" } });
  const { error, hints } = await other.json();
  assert.deepEqual([other.status, error], [406, "not_acceptable"]);
  assert.match(hints.join(), /format=raw.*format=car/);
  const posted = await world.ask(`/ipfs/${cid}`, { method: "POST" });
  assert.deepEqual([posted.status, posted.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
  assert.deepEqual(world.holds, []);
});

Deno.test("an owner reads what it has kept before anybody may, and no store keeps the answer", async () => {
  using world = await openRouteWorld();
  const own = new KeptBlocks();
  const cid = own.putRaw(BYTES);
  const places = new GatewayPlaces();
  const blocks = new KeptBlocks();
  world.parts.content.gateway = new ContentGateway({ blocks, places, clock: systemClock });
  world.parts.content.ofOwner = (owner, root) => {
    return owner === OWNER.address && root === String(cid) ? own : null;
  };
  const get = async (person: Person, root = String(cid)) => {
    const push = await signPush(person, {
      provider: SELLER.provider,
      chainId: SELLER.chainId,
      escrow: SELLER.escrow,
      root,
      bytes: 10n,
      expires: BigInt(NOW / 1_000) + 60n,
      nonce: `0x${"ab".repeat(32)}`,
    });
    const headers = { authorization: pushAuthorization(push) };
    return await world.ask(`/ipfs/${cid}?format=raw`, { headers });
  };
  const answer = await get(OWNER);
  assert.deepEqual([answer.status, await answer.bytes()], [200, BYTES]);
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const other = String(new KeptBlocks().putRaw(new Uint8Array(3)));
  for (const refused of [await get(STRANGER), await get(OWNER, other)]) {
    assert.equal(refused.status, 404);
  }
  for (const authorization of ["", "Basic YTpi"]) {
    const headers = { authorization };
    assert.equal((await world.ask(`/ipfs/${cid}?format=raw`, { headers })).status, 404);
  }
  const headers = { authorization: "Khachapuri e30" };
  assert.equal((await world.ask(`/ipfs/${cid}?format=raw`, { headers })).status, 400);
});

Deno.test("a provider that gives nothing out has nothing, whatever is asked", async () => {
  using world = await openRouteWorld();
  for (const path of ["bafkqaaa?format=raw", `${new KeptBlocks().putRaw(BYTES)}?format=car`, "x"]) {
    const answer = await world.ask(`/ipfs/${path}`);
    assert.deepEqual([answer.status, (await answer.json()).error], [404, "not_found"], path);
  }
});

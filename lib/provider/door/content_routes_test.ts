import assert from "node:assert/strict";
import { openRouteWorld } from "../../../worlds/routes.ts";
import { KeptBlocks } from "../../../worlds/ipfs/kept_blocks.ts";
import { systemClock } from "../../clock.ts";
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

Deno.test("a provider that gives nothing out has nothing, whatever is asked", async () => {
  using world = await openRouteWorld();
  for (const path of ["bafkqaaa?format=raw", `${new KeptBlocks().putRaw(BYTES)}?format=car`, "x"]) {
    const answer = await world.ask(`/ipfs/${path}`);
    assert.deepEqual([answer.status, (await answer.json()).error], [404, "not_found"], path);
  }
});

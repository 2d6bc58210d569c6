import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { assertRefused, openRouteWorld } from "../../../worlds/routes.ts";
import { renewalRequestToJson } from "../../spec/renewal.ts";

Deno.test("a renewed permit goes to its deployment, and is neither answered nor logged", async () => {
  using world = await openRouteWorld();
  const { permit } = world.deployment.entry;
  for (const [credits, renewed] of [[5n, true], [0n, false]] as const) {
    const request = renewalRequestToJson(CID, { ...permit, credits });
    const response = await world.post("/permit", request);
    const text = await response.text();
    assert.deepEqual([response.status, JSON.parse(text)], [200, { cid: CID, renewed }]);
    const said = text + world.lines.join("");
    assert.ok(!said.includes(permit.signature.slice(2)), said);
  }
  assert.deepEqual(world.asked, [`renew ${CID}`, `renew ${CID}`]);
  assert.equal(world.lines.filter((line) => /permit renewed/.test(line)).length, 1);
});

Deno.test("what is no permit, or is for no deployment that runs here, renews nothing", async () => {
  using world = await openRouteWorld();
  const request = renewalRequestToJson(CID, world.deployment.entry.permit);
  const { signature: _, ...unsigned } = request.permit;
  for (const body of [{}, { ...request, more: 1 }, { ...request, permit: unsigned }]) {
    await assertRefused(world.post("/permit", body), 400, "invalid_input");
  }
  await assertRefused(world.post("/permit", { ...request, cid: "bafynope" }), 400, "invalid_cid");
  world.records.stops.add(world.deployment.spec);
  await assertRefused(world.post("/permit", request), 410, "stopped");
  assert.deepEqual(world.asked, []);
});

import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { openRouteWorld } from "../../../worlds/routes.ts";
import { parseAbout } from "../../spec/about.ts";
import type { RouteParts } from "./parts.ts";
import { aboutCalled, publicAbout } from "./public_about.ts";

const ABOUT = parseAbout({ description: "Turns words around." }, "about");
const SENDER = { sender: { address: "192.0.2.1", scheme: null } };

/** A provider where the deployment is open, and its owner has said something of it. */
async function speaking(parts: RouteParts): Promise<RouteParts> {
  const { programs } = parts;
  const open = await programs.deployments.get(CID, "192.0.2.1");
  const known = { ...open, spec: { ...open.spec, about: ABOUT } };
  const deployments = { ...programs.deployments, known: () => known };
  return { ...parts, programs: { ...programs, deployments } } as RouteParts;
}

Deno.test("what an owner says is said of the deployment's own path, and of none below", async () => {
  using world = await openRouteWorld();
  const parts = await speaking(world.parts);
  for (const path of ["", "/"]) assert.deepEqual(publicAbout(parts, { cid: CID, path }), ABOUT);
  assert.equal(publicAbout(parts, { cid: CID, path: "/below" }), null);
  assert.deepEqual(await aboutCalled(parts, `/${CID}?a=b`, SENDER), ABOUT);
  assert.equal(await aboutCalled(parts, `/${CID}/below`, SENDER), null);
});

Deno.test("of the provider's own paths, and of what is no deployment's, nothing is said", async () => {
  using world = await openRouteWorld();
  const parts = await speaking(world.parts);
  for (const call of ["/terms", "/bafynope", "", "/"]) {
    assert.equal(await aboutCalled(parts, call, SENDER), null, call);
  }
});

import assert from "node:assert/strict";
import { openRouteWorld } from "../../../worlds/routes.ts";
import { Readiness } from "./readiness.ts";

Deno.test("a process is ready from when it listens until it drains, and never again", () => {
  const readiness = new Readiness();
  const states = [readiness.state];
  readiness.begin();
  states.push(readiness.state);
  readiness.drain();
  readiness.begin();
  states.push(readiness.state);
  assert.deepEqual(states, ["starting", "ready", "draining"]);
});

Deno.test("/readyz says whether calls are taken, and asks the chain nothing", async () => {
  using world = await openRouteWorld();
  world.parts.health = () => assert.fail("the chain was asked");
  const ask = async () => {
    const response = await world.ask("/readyz");
    return [response.status, await response.json()];
  };
  assert.deepEqual(await ask(), [503, { ready: false, state: "starting" }]);
  world.parts.readiness.begin();
  assert.deepEqual(await ask(), [200, { ready: true, state: "ready" }]);
  world.parts.readiness.drain();
  assert.deepEqual(await ask(), [503, { ready: false, state: "draining" }]);
});

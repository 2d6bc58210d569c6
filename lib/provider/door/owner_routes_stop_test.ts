import assert from "node:assert/strict";
import { CID } from "../../../worlds/calls.ts";
import { assertRefused, openRouteWorld, OWNER, SELLER, STRANGER } from "../../../worlds/routes.ts";
import { KhachapuriError } from "../../errors.ts";
import { DEPLOYMENT_DOMAIN } from "../../spec/signature.ts";
import { signStop, STOP_TYPES } from "../../spec/stop.ts";
import type { Stops } from "../deployment/stops.ts";

/** Where a signature is good. */
const HERE = { provider: SELLER.provider, chainId: SELLER.chainId, escrow: SELLER.escrow };

Deno.test("an owner ends a deployment for good, and as often as it likes", async () => {
  using world = await openRouteWorld();
  const { id } = world.deployment.spec;
  const signature = await signStop(OWNER, { id, ...HERE });
  for (const _ of [1, 2]) {
    const response = await world.post("/stop", { cid: CID, signature });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { stopped: CID });
  }
  await assertRefused(world.ask(`/${CID}`), 410, "stopped");
  assert.match(world.lines.join(""), /deployment stopped by its owner/);
  assert.deepEqual(world.asked, [`stop ${world.deployment.spec.id}`], "its servers end, once");
});

Deno.test("a run that is under way when its owner ends the deployment ends by itself, and is charged", async () => {
  using world = await openRouteWorld();
  world.program = () => {};
  const begun = world.nextRun();
  const answer = world.ask(`/${CID}`);
  const run = await begun;
  const { id } = world.deployment.spec;
  const signature = await signStop(OWNER, { id, ...HERE });
  assert.equal((await world.post("/stop", { cid: CID, signature })).status, 200);
  run.print("done\n");
  run.exit();
  assert.equal(await (await answer).text(), "done\n");
  assert.deepEqual(world.endings(), [["charged answered"]]);
});

Deno.test("a stop is answered once it is known wherever calls are taken, also when it is asked again", async () => {
  using world = await openRouteWorld();
  const { records } = world.parts;
  const { add } = records.stops as Stops;
  let isHeard = false;
  const heard = () => {
    if (!isHeard) throw new KhachapuriError("provider_unavailable", "a node has not heard yet");
  };
  records.stops = {
    has: (spec) => world.records.stops.has(spec),
    heard,
    // deno-lint-ignore require-await
    async add(spec) {
      add.call(world.records.stops, spec);
      heard();
    },
  };
  const { id } = world.deployment.spec;
  const signature = await signStop(OWNER, { id, ...HERE });
  for (let times = 0; times < 2; times++) {
    const asked = world.post("/stop", { cid: CID, signature });
    await assertRefused(asked, 502, "provider_unavailable");
  }
  isHeard = true;
  assert.equal((await world.post("/stop", { cid: CID, signature })).status, 200);
});

Deno.test("nobody but the owner stops a deployment, and not with what it told another", async () => {
  using world = await openRouteWorld();
  const { id } = world.deployment.spec;
  const signatures = [
    signStop(STRANGER, { id, ...HERE }),
    signStop(OWNER, { id, ...HERE, provider: STRANGER.address }),
    signStop(OWNER, { id, ...HERE, chainId: 1 }),
    signStop(OWNER, { id, ...HERE, escrow: STRANGER.address }),
    signStop(OWNER, { id: `0x${"11".repeat(32)}`, ...HERE }),
  ];
  for (const signature of signatures) {
    const request = { cid: CID, signature: await signature };
    await assertRefused(world.post("/stop", request), 403, "invalid_signature");
  }
  const signature = await signStop(OWNER, { id, ...HERE });
  await assertRefused(world.post("/stop", { cid: "bafynope", signature }), 400, "invalid_cid");
  await assertRefused(world.post("/stop", { cid: CID }), 400, "invalid_input");
  assert.deepEqual(world.asked, []);
  assert.equal((await world.ask(`/${CID}`)).status, 200);
});

Deno.test("who did not sign waits for no node, though the stop was made before", async () => {
  using world = await openRouteWorld();
  const { id } = world.deployment.spec;
  const signature = await signStop(OWNER, { id, ...HERE });
  assert.equal((await world.post("/stop", { cid: CID, signature })).status, 200);
  const { records } = world.parts;
  records.stops = {
    has: (spec) => world.records.stops.has(spec),
    add: () => assert.fail("it is stopped"),
    heard: () => assert.fail("it waits"),
  };
  for (const forged of [signStop(STRANGER, { id, ...HERE }), `0x${"11".repeat(65)}`]) {
    const request = { cid: CID, signature: await forged };
    await assertRefused(world.post("/stop", request), 403, "invalid_signature");
  }
});

Deno.test("a stop as it was signed before it named chain and escrow is refused, and says what to do", async () => {
  using world = await openRouteWorld();
  const { id } = world.deployment.spec;
  const signature = await OWNER.signTypedData({
    domain: DEPLOYMENT_DOMAIN,
    types: STOP_TYPES,
    primaryType: "Stop",
    message: { id, provider: SELLER.provider },
  });
  const response = await world.post("/stop", { cid: CID, signature });
  assert.equal(response.status, 403);
  assert.match(
    JSON.stringify(await response.json()),
    /signs for no chain and no escrow.*update it/,
  );
});

Deno.test("what cannot be looked up is not stopped", async () => {
  using world = await openRouteWorld();
  world.before.deployment = () => {
    throw new Error("not foreseen");
  };
  const { id } = world.deployment.spec;
  const signature = await signStop(OWNER, { id, ...HERE });
  await assertRefused(world.post("/stop", { cid: CID, signature }), 500, "internal");
  assert.equal(world.records.stops.has(world.deployment.spec), false);
});

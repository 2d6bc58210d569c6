import assert from "node:assert/strict";
import { CID, NOW } from "../../../worlds/calls.ts";
import { playNames } from "../../../worlds/naming/played_names.ts";
import {
  assertRefused,
  openRouteWorld,
  OWNER,
  type Person,
  SELLER,
  STRANGER,
} from "../../../worlds/routes.ts";
import type { CidText } from "../../cid.ts";
import { signNameChange } from "../../spec/name_change.ts";
import { signOwnerRequest } from "../../spec/owner_request.ts";

const SOON = BigInt(NOW / 1_000) + 300n;

function wanted(sequence: number, cid: CidText | "" = CID, who: Person = OWNER) {
  const change = { label: "blog", cid, sequence: BigInt(sequence), expires: SOON };
  return signNameChange(who, change, SELLER);
}

async function openWorld() {
  const world = await openRouteWorld();
  const played = playNames(SELLER, OWNER.address, () => NOW);
  world.parts.names = played.names;
  return Object.assign(world, { played });
}

Deno.test("an owner takes a name, calls it in path and host, and gives it up", async () => {
  using world = await openWorld();
  const taken = await (await world.post("/names", await wanted(1))).json();
  assert.deepEqual(taken, {
    name: "blog",
    kind: "register",
    cid: CID,
    owner: OWNER.address,
    sequence: 1,
    since: NOW,
    lapsesAt: null,
    history: [{ cid: CID, sequence: 1, at: NOW }],
    checkedAt: NOW,
    isStale: false,
    url: "https://provider.test/blog/",
    hostUrl: "https://blog.provider.test/",
  });
  assert.deepEqual(await (await world.ask("/names/Blog")).json(), taken);
  const seen: unknown[][] = [];
  world.program = (run) => {
    const { SERVER_NAME, SCRIPT_NAME, PATH_INFO } = run.request.env;
    seen.push([SERVER_NAME, SCRIPT_NAME, PATH_INFO]);
    run.print("hello\n");
    run.exit();
  };
  world.played.outside.set("www.shop.com", CID);
  for (const url of ["/blog/a", "https://blog.provider.test/a", "https://www.shop.com/a"]) {
    assert.equal(await (await world.ask(url)).text(), "hello\n");
  }
  assert.deepEqual(seen, [
    ["provider.test", "/blog", "/a"],
    ["blog.provider.test", "", "/a"],
    ["www.shop.com", "", "/a"],
  ]);
  const up = await (await world.post("/names", await wanted(2, ""))).json();
  assert.deepEqual(up, { name: "blog", kind: "register", cid: null, sequence: 2 });
  await assertRefused(world.ask("/blog/a"), 404, "not_found");
  await assertRefused(world.ask("/names/blog"), 404, "not_found");
  assert.deepEqual(world.played.left, [], "the domain still leads to it");
});

Deno.test("what is no change of the owner's is refused, and says how the name stands", async () => {
  using world = await openWorld();
  const first = await wanted(1);
  await world.post("/names", first);
  const again = await world.post("/names", first);
  assert.equal(again.status, 409);
  const { error, name, cid, sequence } = await again.json();
  assert.deepEqual([error, name, cid, sequence], ["name_conflict", "blog", CID, 1]);
  const stolen = await wanted(2, CID, STRANGER);
  await assertRefused(world.post("/names", stolen), 403, "access_denied");
  const forged = { ...first, sequence: "2" };
  await assertRefused(world.post("/names", forged), 403, "invalid_signature");
  await assertRefused(world.post("/names", { ...first, label: "www" }), 400, "invalid_name");
  await assertRefused(world.ask("/names/%ff"), 400, "invalid_name");
});

Deno.test("an owner is told its names", async () => {
  using world = await openWorld();
  await world.post("/names", await wanted(1));
  const { provider, chainId, escrow } = SELLER;
  const question = { action: "deployments", subject: "", provider, chainId, escrow } as const;
  const asked = await signOwnerRequest(OWNER, { ...question, expires: SOON });
  const { names } = await (await world.post("/deployments", asked)).json();
  assert.deepEqual(names, [
    { name: "blog", owner: OWNER.address, cid: CID, sequence: 1, since: NOW, lapsesAt: null },
  ]);
});

Deno.test("a service worker is refused below the provider under a name too", async () => {
  using world = await openWorld();
  await world.post("/names", await wanted(1));
  const headers = { "service-worker": "script" };
  await assertRefused(world.ask("/blog/sw.js", { headers }), 403, "access_denied");
  assert.equal((await world.ask("https://blog.provider.test/sw.js", { headers })).status, 200);
});

Deno.test("without names there are none", async () => {
  using world = await openRouteWorld();
  await assertRefused(world.post("/names", await wanted(1)), 404, "not_found");
  await assertRefused(world.ask("/blog.eth/"), 404, "not_found");
});

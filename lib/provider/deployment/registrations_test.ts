import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { getAddress, type Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { deploymentLane } from "../../permit.ts";
import { Agreements } from "./agreements.ts";
import type { Deployment } from "./deployment.ts";
import { Registrations } from "./registrations.ts";
import { Stops } from "./stops.ts";

const OWNER = getAddress(`0x${"11".repeat(20)}`);
const OTHER = getAddress(`0x${"22".repeat(20)}`);
const [FIRST, SECOND]: [Hex, Hex] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
const [A, B] = ["bafya" as CidText, "bafyb" as CidText];

const deployment = (cid: CidText, id: Hex, owner = OWNER) =>
  ({
    cid,
    spec: { id, owner, access: "public" },
    entry: { terms: FIRST, permit: { price: 1_000n } },
  }) as Deployment;

function open(database = new DatabaseSync(":memory:")) {
  const clock = { ms: 0 };
  const stops = new Stops(database, () => clock.ms);
  const noted: CidText[] = [];
  const tariffs = { note: (cid: CidText) => void noted.push(cid), learnCame() {}, forget() {} };
  const agreements = new Agreements(database);
  const registrations = new Registrations(database, stops, agreements, tariffs, () => clock.ms);
  return { database, clock, stops, noted, registrations };
}

Deno.test("a deployment is known from its first paid call on, and keeps that time", () => {
  const { database, clock, noted, registrations } = open();
  assert.ok(!registrations.isKnown(A));
  clock.ms = 7;
  registrations.add(deployment(A, FIRST));
  clock.ms = 9;
  registrations.add(deployment(A, FIRST));
  assert.ok(registrations.isKnown(A));
  assert.ok(!registrations.isKnown(B));
  assert.deepEqual(noted, [A], "among the tariffs, too");
  assert.deepEqual([registrations.firstSeen(A), registrations.firstSeen(B)], [7, null]);
  const again = open(database).registrations;
  assert.ok(again.isKnown(A), "also to the next process");
  again.add(deployment(A, FIRST));
  assert.deepEqual(again.ofOwner(OWNER), [{ cid: A, id: FIRST, firstSeen: 7, stopped: false }]);
});

Deno.test("an owner's deployments are listed oldest first, with those it stopped, and no other's", () => {
  const { clock, stops, registrations } = open();
  clock.ms = 2;
  registrations.add(deployment(B, SECOND));
  clock.ms = 1;
  registrations.add(deployment(A, FIRST));
  registrations.add(deployment("bafyc" as CidText, FIRST, OTHER));
  stops.add({ owner: OWNER, id: SECOND });
  const listed = registrations.ofOwner(OWNER).map(({ cid, stopped }) => [cid, stopped]);
  assert.deepEqual(listed, [[A, false], [B, true]]);
});

Deno.test("a deployment's lane is its owner's, before and after a restart", () => {
  const { database, registrations } = open();
  const lane = deploymentLane(FIRST);
  assert.ok(!registrations.isDeploymentLane(OWNER, lane));
  registrations.add(deployment(A, FIRST));
  for (const each of [registrations, open(database).registrations]) {
    assert.ok(each.isDeploymentLane(OWNER, lane));
    assert.ok(!each.isDeploymentLane(OTHER, lane));
    assert.ok(!each.isDeploymentLane(OWNER, deploymentLane(SECOND)));
  }
});

Deno.test("an owner is one from the first paid call on, before and after a restart", () => {
  const { database, registrations } = open();
  assert.ok(!registrations.isOwner(OWNER));
  registrations.add(deployment(A, FIRST));
  for (const each of [registrations, open(database).registrations]) {
    assert.deepEqual([each.isOwner(OWNER), each.isOwner(OTHER)], [true, false]);
  }
  // Each call asks for it: the disk is asked once.
  database.exec("DROP TABLE deployments");
  assert.ok(registrations.isOwner(OWNER));
  assert.throws(() => registrations.isOwner(OTHER));
});

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { getAddress, type Hex } from "viem";
import { deploymentLane } from "../../permit.ts";
import { DeploymentLanes } from "./deployment_lanes.ts";

const OWNERS = [1, 2, 3].map((number) => getAddress(`0x${String(number).repeat(40)}`));
const idOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;

/** Deployments that an earlier release registered, without lanes. */
function databaseOf(deployments: number) {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE deployments (cid TEXT PRIMARY KEY, id TEXT, owner TEXT)");
  const register = (number: number) => {
    const insert = database.prepare("INSERT INTO deployments VALUES (?, ?, ?)");
    const { lastInsertRowid } = insert.run(`cid${number}`, idOf(number), OWNERS[number % 3]!);
    return Number(lastInsertRowid);
  };
  for (let number = 0; number < deployments; number++) register(number);
  return { database, register };
}

const made = (database: DatabaseSync) =>
  database.prepare("SELECT COUNT(*) AS count FROM deploymentLanes").get()!.count as number;

Deno.test("lanes of what an earlier release registered are known at once, and made up for", () => {
  const { database, register } = databaseOf(200);
  let lanes = new DeploymentLanes(database);
  const isKnown = (number: number) =>
    lanes.has(OWNERS[number % 3]!, deploymentLane(idOf(number))) &&
    !lanes.has(OWNERS[(number + 1) % 3]!, deploymentLane(idOf(number)));
  assert.ok([0, 1, 199].every(isKnown));
  assert.equal(made(database), 0);
  for (let number = 200; number < 206; number++) {
    // Each life makes up for some of it.
    if (number % 2 === 0) lanes = new DeploymentLanes(database);
    lanes.add(register(number), OWNERS[number % 3]!, idOf(number));
    assert.ok([0, 100, 199, number].every(isKnown), `with ${number}`);
  }
  assert.equal(made(database), 206);
  // Now nothing is left to make up for: no look at the owner's deployments.
  lanes = new DeploymentLanes(database);
  database.exec("DROP TABLE deployments");
  assert.ok([0, 100, 205].every(isKnown));
});

Deno.test("what an earlier release registers meanwhile is made up for as well", () => {
  const { database, register } = databaseOf(0);
  const lanes = new DeploymentLanes(database);
  lanes.add(register(0), OWNERS[0]!, idOf(0));
  register(1);
  const after = new DeploymentLanes(database);
  assert.ok(after.has(OWNERS[1]!, deploymentLane(idOf(1))));
  after.add(register(2), OWNERS[2]!, idOf(2));
  assert.equal(made(database), 3);
});

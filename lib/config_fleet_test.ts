import assert from "node:assert/strict";
import * as v from "valibot";
import { type FleetConfig, fleetShape, nodeUrlOf } from "./config_fleet.ts";

const shape = v.strictObject({ fleet: fleetShape });
const fleetOf = (fleet: unknown) => v.parse(shape, { fleet }).fleet as FleetConfig;
const NODE = { node: "n1", listen: "10.0.0.1:8403" };

Deno.test("a node is reached where it listens, or where its URL says", () => {
  assert.equal(nodeUrlOf(fleetOf(NODE)), "http://10.0.0.1:8403");
  const url = "http://n1.internal:9000";
  assert.equal(nodeUrlOf(fleetOf({ ...NODE, url })), url);
  assert.equal(nodeUrlOf(fleetOf({ ...NODE, listen: "0.0.0.0:8403", url })), url);
  assert.deepEqual(v.parse(shape, {}), {});
});

Deno.test("a node that others cannot find is refused, and a name that is none", () => {
  for (const listen of ["0.0.0.0:8403", "[::]:8403", "127.0.0.1:0"]) {
    assert.throws(() => fleetOf({ ...NODE, listen }), /provider\.fleet\.url/, listen);
  }
  for (const changes of [{ listen: "8403" }, { listen: undefined }, { url: "ftp://n1" }]) {
    assert.throws(() => fleetOf({ ...NODE, ...changes }), JSON.stringify(changes));
  }
  for (const node of ["", "N1", "n 1", "-n", "n-", "n.1", "n".repeat(33), 1]) {
    assert.throws(() => fleetOf({ ...NODE, node }), String(node));
  }
  for (const node of ["n", "n1", "eu-west-1", "n".repeat(32)]) fleetOf({ ...NODE, node });
});

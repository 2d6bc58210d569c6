import assert from "node:assert/strict";
import * as v from "valibot";
import { parseConfig } from "./config.ts";
import { databaseAddressIn, type FleetConfig, fleetShape, nodeUrlOf } from "./config_fleet.ts";

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

Deno.test("a fleet's books have an address, and their files stand beside the configuration", () => {
  const postgres = "postgres://nino@db/money?passfile=pass&sslrootcert=ca.pem";
  assert.equal(booksOf({ postgres }), postgres);
  const { passfile, tls } = databaseAddressIn("/home/nino", postgres);
  assert.deepEqual([passfile, tls], ["/home/nino/pass", { ca: "/home/nino/ca.pem" }]);
  const absolute = "postgres://nino@db/money?passfile=/p&sslmode=disable";
  assert.deepEqual(databaseAddressIn("/home/nino", absolute).passfile, "/p");
});

Deno.test("books that no fleet can have are refused by name", () => {
  const refused: Readonly<Record<string, () => unknown>> = {
    "provider.ledger.postgres: the database's address holds a password; put it": () =>
      booksOf({ postgres: "postgres://nino:secret@db/money" }),
    "provider.ledger.postgres: is for nodes of a fleet": () =>
      booksOf({ postgres: "postgres://nino@db/money" }, { fleet: undefined }),
    'provider.settlement.mode: "each" mines a credit before each run': () =>
      booksOf({ postgres: "postgres://nino@db/money" }, { settlement: { mode: "each" } }),
  };
  for (const [why, act] of Object.entries(refused)) {
    assert.throws(act, (error: Error & { code: string }) => {
      assert.equal(error.code, "invalid_config");
      assert.ok(error.message.includes(why), error.message);
      return !error.message.includes("secret");
    });
  }
});

function booksOf(ledger: object, changes: object = {}): string | undefined {
  const provider = {
    name: "provider.test",
    address: `0x${"11".repeat(20)}`,
    webDomain: "https://provider.test",
    price: "1",
    terms: ["terms.txt"],
    stateDir: "state",
    keyFile: "keys.json",
    fleet: NODE,
    ledger,
  };
  const json = JSON.parse(JSON.stringify({ provider: { ...provider, ...changes } }));
  return parseConfig(json, "/home").provider!.ledger.postgres;
}

import assert from "node:assert/strict";
import { join } from "node:path";
import { freshDatabase, leadAlone, startFleetServer } from "../../worlds/fleet_database.ts";
import { openHome } from "../../worlds/home.ts";
import { startPair } from "../../worlds/postgres/pair.ts";
import { findPostgres } from "../../worlds/postgres/server.ts";
import { type Database, openDatabase } from "../provider/fleet/database.ts";
import { migrate } from "../provider/fleet/migrations.ts";
import { toNodeFacts } from "../provider/fleet/node_facts.ts";
import { Sessions } from "../provider/fleet/sessions.ts";
import { parseDatabaseAddress } from "../postgres_address.ts";
import { VERSION } from "../version.ts";

const SERVER = await startFleetServer();
const ignore = SERVER === null;

const NODES = ["--node", "n1=10.0.0.1:8402", "--node", "n2=10.0.0.2:8402"];
const CERTIFICATE = "/etc/haproxy/paolo.pem";

const homeOf = (provider: Record<string, unknown> = {}) =>
  openHome({
    provider: {
      name: "paolo.eth",
      address: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
      webDomain: "https://paolo.example",
      price: "1000",
      terms: ["terms.txt"],
      stateDir: "state",
      keyFile: "keys.json",
      ...provider,
    },
  }, {});

Deno.test("the proxy's configuration is for the domain in config.json and the nodes given", async () => {
  await using home = await homeOf({ trustedProxies: ["10.0.0.9"], drainSeconds: 5 });
  const { code, out, err } = await home.run("fleet", "haproxy", ...NODES);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^ {2}server n2 10\.0\.0\.2:8402 id \d+$/m);
  assert.match(out, /-m end \.paolo\.example$/m);
  assert.match(out, /^ {2}bind \*:80\n/m);
  const path = join(home.dir, "haproxy.cfg");
  await Deno.writeTextFile(path, "longer ".repeat(10_000));
  const flags = ["--certificate", CERTIFICATE, "--listen", "10.0.0.9:443", "--output", path];
  const written = await home.run("fleet", "haproxy", ...NODES, ...flags);
  assert.equal(written.out, `haproxy   ${path}, 2 nodes\n`);
  const text = await Deno.readTextFile(path);
  assert.match(text, /^ {2}bind 10\.0\.0\.9:443 ssl crt \/etc\/haproxy\/paolo\.pem alpn /m);
  assert.doesNotMatch(text, /longer/);
  const { json } = await home.run("fleet", "haproxy", ...NODES, "--json");
  assert.deepEqual(json.nodes[0], { name: "n1", address: "10.0.0.1:8402" });
  assert.equal(json.config, out);
});

Deno.test("what nodes have to say for it is asked for: who is believed, how long they drain", async () => {
  await using home = await homeOf();
  const { code, err } = await home.run("fleet", "haproxy", ...NODES);
  assert.equal(code, 0);
  assert.match(err, /provider\.trustedProxies/);
  assert.match(err, /provider\.drainSeconds/);
});

Deno.test("nodes that speak TLS themselves have no such proxy", async () => {
  await using home = await homeOf({ tls: { cert: "cert.pem", key: "key.pem" } });
  const { code, err } = await home.run("fleet", "haproxy", ...NODES);
  assert.equal(code, 3);
  assert.match(err, /provider\.tls/);
});

Deno.test("a node that is none, none at all and another action are refused", async () => {
  await using home = await homeOf();
  for (
    const [args, code, said] of [
      [["haproxy", "--node", "n1=10.0.0.1"], 3, /NAME=HOST:PORT/],
      [["haproxy", ...NODES, ...NODES], 3, /two nodes have n1/],
      [["haproxy"], 2, /--node/],
      [NODES, 2, /--node is of: fleet haproxy/],
      [[], 3, /this provider is one machine, and no fleet/],
      [["nginx", ...NODES], 2, /no action/],
    ] as const
  ) {
    const outcome = await home.run("fleet", ...args);
    assert.equal(outcome.code, code);
    assert.match(outcome.err, said);
  }
});

const fleetHome = (uri: string, provider: Record<string, unknown> = {}) =>
  homeOf({
    ledger: { postgres: uri },
    fleet: { node: "n1", listen: "127.0.0.1:8403" },
    ...provider,
  });

function begin(database: Database, node: string, version = VERSION): Promise<Sessions> {
  const facts = () =>
    toNodeFacts({
      ...{ startedAtMs: Date.now(), clockMs: Date.now(), price: 1_000n, isDraining: false },
      ...{ runs: 3, slots: 16, sandboxes: 5, heldUsdc: 0n, aheadCredits: 0, aheadUsdc: 0n },
      ...{ block: 9n, chainAgeMs: 500, seen: 0, leadsSinceMs: null },
    });
  const card = { node, url: `http://${node}:1`, version };
  return Sessions.begin({ database, card, facts, onLost: () => {} });
}

Deno.test({
  name: "a fleet that is well is told with its nodes, by the database alone, and has nothing to do",
  ignore,
  async fn() {
    await using pair = await startPair((await findPostgres())!, { fsync: true });
    await pair.primary.query("GRANT pg_monitor TO nino");
    const database = await openDatabase(parseDatabaseAddress(pair.uri()));
    await migrate(database);
    const nodes = [await begin(database, "n1"), await begin(database, "n2")];
    await leadAlone(database, nodes[1]!.session);
    await using home = await fleetHome(pair.uri());
    const { code, out, err } = await home.run("fleet");
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^database {2}PostgreSQL \d+/);
    assert.match(out, /^replicas {2}khachapuri-\w+ \(sync\)$/m);
    assert.match(out, /^leader {4}n2, term 1$/m);
    assert.match(out, /^n1 .* serves {2}3 of 16 .* http:\/\/n1:1$/m);
    assert.match(out, /^n2 .* leads {3}3 of 16 .* http:\/\/n2:1$/m);
    assert.doesNotMatch(out, /warn|FAIL/);
    const { json } = await home.run("fleet", "--json");
    assert.deepEqual(json.fleet.nodes.map(({ node }: { node: string }) => node), ["n1", "n2"]);
    assert.equal(json.fleet.nodes[0].state.price, "1000");
    assert.equal(json.findings.length, 10);
    await Promise.all(nodes.map((node) => node.end()));
    await database.close();
  },
});

Deno.test({
  name: "what ails a fleet is told below it with what to do, and is its exit code",
  ignore,
  async fn() {
    await using world = await freshDatabase(SERVER!);
    const nodes = [
      await begin(world.database, "n1"),
      await begin(world.database, "n2", "0.0.1"),
    ];
    await world.database.ask("UPDATE leader SET until = now() - interval '20 seconds'");
    await using home = await fleetHome(world.uri);
    const { code, out, err } = await home.run("fleet");
    assert.equal(code, 7);
    assert.match(out, /^leader {4}none, term 0$/m);
    assert.match(out, /^FAIL {2}fleet leader: nobody leads for \d+ s$/m);
    assert.match(out, /^warn {2}fleet replication: it has no standby/m);
    assert.match(out, /^ {8}releases differ: .* 0\.0\.1 at n2/m);
    assert.match(err, /1 of 10 failed/);
    await Promise.all(nodes.map((node) => node.end()));
  },
});

Deno.test("a database that is away is named, with what to look at", async () => {
  await using home = await fleetHome("postgres://nino@127.0.0.1:1/books");
  const { code, err } = await home.run("fleet");
  assert.equal(code, 7);
  assert.match(err, /PostgreSQL at 127\.0\.0\.1:1\/books does not answer/);
  assert.match(err, /pg_isready/);
});

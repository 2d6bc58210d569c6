import assert from "node:assert/strict";
import { join } from "node:path";
import { openHome } from "../../worlds/home.ts";

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
      [["nginx", ...NODES], 2, /no action/],
    ] as const
  ) {
    const outcome = await home.run("fleet", ...args);
    assert.equal(outcome.code, code);
    assert.match(outcome.err, said);
  }
});

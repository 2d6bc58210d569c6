/** HAProxy before a fleet, as `fleet haproxy` configures it, and nodes that stop and die. */
import assert from "node:assert/strict";
import { pause } from "../lib/pause.ts";
import { startProvider } from "../lib/provider/door/serve.ts";
import { certificateFiles } from "../worlds/certificate.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { freePort } from "../worlds/free_port.ts";
import { hearLog } from "../worlds/heard_log.ts";
import { startLoad } from "../worlds/load.ts";
import { DOMAIN, type PlayedFleet, startFleet } from "../worlds/played_fleet.ts";
import type { PlayedNode } from "../worlds/played_nodes.ts";
import { openProviderHome } from "../worlds/provider_home.ts";
import { type ProxySite, proxyVersion, startProxy } from "../worlds/proxies.ts";

const ignore = await proxyVersion("haproxy") === null;

/** Texts that no two deployments have. */
const cids = (count: number) => Array.from({ length: count }, (_, at) => `bafkrei${at}`);

const test = (
  name: string,
  fn: (fleet: PlayedFleet) => Promise<void>,
  changes: ProxySite["changes"] = [],
) =>
  Deno.test({
    name: `haproxy: ${name}`,
    ignore,
    async fn() {
      await using fleet = await startFleet("haproxy", { changes });
      await fn(fleet);
    },
  });

/** How many calls each node has under way, once there are so many in all. */
async function heldOnce(nodes: readonly PlayedNode[], calls: number): Promise<number[]> {
  const held = () => nodes.map((node) => node.held());
  while (held().reduce((sum, each) => sum + each) < calls) {
    await Promise.race(nodes.map((node) => node.called()));
  }
  return held();
}

test("a deployment's calls meet one node in every form, and those of many all nodes", async (fleet) => {
  const { curl, url, nodes } = fleet;
  const all = cids(60);
  const { text } = await curl(
    ...all.map((cid) => `/${cid}/a?b`),
    ...all.map((cid) => url("/", `${cid}.${DOMAIN}`)),
  );
  const homes = text.trimEnd().split("\n");
  assert.deepEqual(homes.slice(60), homes.slice(0, 60));
  for (const { name } of nodes) {
    const share = homes.slice(0, 60).filter((home) => home === name).length;
    assert.ok(share >= 8, `${name} has ${share} of 60`);
  }
  const own = await curl("-H", "Host: www.site.test", "/", "/b", "/c/d", "/e");
  assert.match(own.text, /^(n[123]\n)\1{3}$/, "a domain of its own");
});

test("a deployment's calls stay on one node while there are few, and spill when there are many", async (fleet) => {
  const { curl, nodes } = fleet;
  const calls = curl("-Z", "--parallel-max", "108", ...Array(108).fill("/hot/held"));
  const held = await heldOnce(nodes, 108);
  nodes.forEach((node) => node.release());
  await calls;
  // 48, and two thirds of the others.
  const most = Math.max(...held);
  assert.ok(most >= 86 && most <= 90, `of 108 at once: ${held}`);
});

test("a node that drains gets no new calls, and those under way end on it", async (fleet) => {
  const { curl, nodes, said } = fleet;
  const running = curl("/a/held");
  await heldOnce(nodes, 1);
  const home = nodes.find((node) => node.held() > 0)!;
  const isOut = said(new RegExp(`Server nodes/${home.name} is DOWN`));
  home.isReady = false;
  await isOut;
  const before = home.calls.length;
  const { text } = await curl("/a", ...cids(30).map((cid) => `/${cid}`));
  assert.equal(text.trimEnd().split("\n").length, 31);
  assert.equal(home.calls.length, before);
  home.release();
  assert.deepEqual(await running, { code: 0, text: `${home.name}\n` });
  const isBack = said(new RegExp(`Server nodes/${home.name} is UP`));
  home.isReady = true;
  await isBack;
});

test("of a node that has died the next one takes all calls, before it is known", async (fleet) => {
  const { curl, homeOf, times } = fleet;
  const home = await homeOf("/a");
  await home.die();
  const answers = await Promise.all(
    ["1", "2", "3", "4"].map((id) => curl(`/a/${id}`, "-d", "x", "-f")),
  );
  for (const { code, text } of answers) {
    assert.equal(code, 0);
    assert.notEqual(text, `${home.name}\n`);
  }
  for (const id of ["1", "2", "3", "4"]) assert.equal(times(`POST /a/${id}`), 1);
});

test("callers who come one after the other share a node's connections", async (fleet) => {
  const { curl, homeOf, times } = fleet;
  const home = await homeOf("/a");
  const before = home.connections();
  for (let call = 0; call < 30; call++) assert.equal((await curl("/a/b")).code, 0);
  assert.equal(times("GET /a/b"), 30);
  const own = home.connections() - before;
  // Checks have some as well, one a second.
  assert.ok(own < 15, `${own} connections of 30 calls`);
});

test("where no node is left callers are told so as a provider does", async (fleet) => {
  const { curl, nodes } = fleet;
  await Promise.all(nodes.map((node) => node.die()));
  const { text } = await curl("/a", "-w", "\n%{http_code} %header{retry-after}");
  const [body, end] = text.split("\n");
  assert.equal(JSON.parse(body!).error, "overloaded");
  assert.equal(end, "503 2");
});

test("heads pass up to the longest that a provider takes and gives", async (fleet) => {
  const { curl, nodes } = fleet;
  const fields = Array.from({ length: 500 }, (_, at) => ["-H", `x-${at}: y`]).flat();
  const tell = ["-o", "/dev/null", "-w", "%{http_code} %{size_header}\n"];
  const target = `/a/?${"q".repeat(8_000)}`;
  const long = await curl(target, "-H", `x-long: ${"v".repeat(15_000)}`, ...tell);
  assert.match(long.text, /^200 /);
  const many = await curl("/a", ...fields, ...tell);
  assert.match(many.text, /^200 /);
  assert.equal(nodes.find(({ fields }) => fields["x-499"])?.fields["x-0"], "y");
  const { text } = await curl("/a/head", ...tell);
  assert.ok(Number(text.split(" ")[1]) > 60 * 1024, text);
});

test("a run may say nothing for longer than a caller may be idle", async ({ curl, nodes }) => {
  const running = curl("/a/held");
  await heldOnce(nodes, 1);
  await pause(2_500);
  nodes.forEach((node) => node.release());
  assert.equal((await running).code, 0);
}, [["timeout client 128s", "timeout client 1s"]]);

test("one network has so many connections and no more", async ({ connect }) => {
  using _one = await connect();
  using _two = await connect();
  await assert.rejects(connect());
}, [["gt 512", "gt 2"]]);

Deno.test({
  name: "haproxy: nodes that stop, start and reload one after another fail no call",
  ignore,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const home = stack.use(await openProviderHome());
    home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 100_000n);
    const { cid } = await home.deploy("echo hello", 1_000_000);
    const ports = [freePort(), freePort()];
    const start = (at: number, isSuccessor = false) =>
      startProvider(
        home.config({
          listen: `127.0.0.1:${ports[at]}`,
          stateDir: `state-${at}`,
          drainSeconds: 3,
          trustedProxies: ["127.0.0.1"],
          settlement: { mode: "batch", intervalSeconds: 360 },
        }),
        { log: hearLog().log, isSuccessor },
      );
    const nodes = [await start(0), await start(1)];
    stack.defer(async () => void await Promise.all(nodes.map((node) => node.stop())));
    const certificate = stack.use(await certificateFiles(DOMAIN));
    const upstreams = ports.map((port) => `127.0.0.1:${port}`);
    const site = { domain: DOMAIN, upstreams, certificate };
    const { port, said } = stack.use(await startProxy("haproxy", site));
    const caCerts = [await Deno.readTextFile(certificate.cert)];
    const load = startLoad({
      connect: () => Deno.connectTls({ hostname: "127.0.0.1", port, caCerts }),
      path: `/${cid}`,
      answer: "hello",
      kept: 3,
      fresh: 3,
    });
    for (const at of [0, 1]) {
      await nodes[at]!.stop();
      const isBack = said(new RegExp(`Server nodes/n${at + 1} is UP`));
      nodes[at] = await start(at);
      await isBack;
      const before = nodes[at]!;
      nodes[at] = await start(at, true);
      await before.replaced;
    }
    await load.stop();
    assert.deepEqual(load.errors.slice(0, 3), []);
    assert.ok(load.answered() > 100, `${load.answered()} calls`);
  },
});

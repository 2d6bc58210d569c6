/** Two whole providers as nodes of one, on a chain in memory. */
import assert from "node:assert/strict";
import { requestOf, responseOf } from "../../../worlds/answers.ts";
import { ACCOUNTS, privateKeyOf } from "../../../worlds/chain/people.ts";
import { freePort } from "../../../worlds/free_port.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import { openProviderHome, type ProviderHome } from "../../../worlds/provider_home.ts";
import type { CidText } from "../../cid.ts";
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import { copyPath } from "../content/peer_door.ts";
import { PeerPass } from "../content/peer_pass.ts";
import { metricsText } from "../metrics/metrics.ts";
import { prepareSite } from "./prepare.ts";
import { createRoutes } from "./routes.ts";
import { startProvider } from "./serve.ts";
import { openProvider } from "./wiring.ts";

/** Nothing settles by itself within a test. */
const BATCH = { settlement: { mode: "batch", intervalSeconds: 360 } };

function fleetNode(name: string): FleetNode & { listen: string } {
  const listen = `127.0.0.1:${freePort()}`;
  return { name, listen, url: `http://${listen}` };
}

async function open(
  home: ProviderHome,
  { name, listen }: FleetNode & { listen: string },
  nodes: readonly FleetNode[],
) {
  const stack = new AsyncDisposableStack();
  const { log } = hearLog();
  const settings = { ...BATCH, stateDir: name, fleet: { node: name, listen } };
  const site = await prepareSite(home.config(settings), { log, now: Date.now });
  const { parts } = await openProvider({ ...site, nodes: () => nodes }, stack);
  const routes = createRoutes(parts);
  return {
    call: async (cid: string) => {
      return await responseOf(await routes(requestOf(`https://provider.test/${cid}`))).text();
    },
    readFrom: async (source: string) => {
      const line = `khachapuri_content_reads_total{source="${source}"} `;
      const text = await metricsText(parts.metrics);
      return Number(text.split("\n").find((one) => one.startsWith(line))?.slice(line.length) ?? 0);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

Deno.test("a call at a second node needs no gateway: the first gives it what it fetched", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 100n);
  const { cid } = await home.deploy("echo hello");
  const nodes = [fleetNode("n1"), fleetNode("n2")] as const;
  await using n1 = await open(home, nodes[0], nodes);
  const n2 = await open(home, nodes[1], nodes);
  assert.equal(await n1.call(cid), "hello\n");
  const asked = home.gateway.requests.length;
  assert.equal(asked, 2, "spec and program, each once");
  assert.equal(await n2.call(cid), "hello\n");
  assert.equal(home.gateway.requests.length, asked);
  // Of what it is the home of it had fetched it for the first.
  const [fetched, given] = [await n2.readFrom("cache"), await n2.readFrom("peers")];
  assert.deepEqual([fetched + given, await n2.readFrom("gateways")], [2, 0]);
  assert.equal((await fetch(`${nodes[1].url}/ipfs/${cid}?format=raw`)).status, 403);
  await n2[Symbol.asyncDispose]();
  await assert.rejects(fetch(nodes[1].url), "its listener is closed with it");
});

Deno.test("who takes a node's place answers the others where it did, and alone, whatever still runs", async () => {
  await using home = await openProviderHome();
  home.chain.fake.allow(ACCOUNTS.owner.address, 1_000n, 100n);
  const slow = await home.deploy("echo begun; sleep 2; echo done");
  const { listen, url } = fleetNode("n1");
  const config = home.config({ ...BATCH, fleet: { node: "n1", listen } });
  const start = (isSuccessor: boolean) => {
    return startProvider(config, { log: hearLog().log, graceMs: 10_000, isSuccessor });
  };
  const path = copyPath({
    root: slow.cid as CidText,
    owner: ACCOUNTS.owner.address,
    bytes: 1,
    at: 1,
  });
  const authorization = new PeerPass(privateKeyOf(ACCOUNTS.operator)).wordOf("n2", path);
  /** Who has handed over takes nothing any more. */
  const offer = async () => {
    const headers = { authorization, connection: "close" };
    return (await fetch(url + path, { method: "POST", headers })).status;
  };
  const first = await start(false);
  assert.equal(await offer(), 412);
  const running = await fetch(`${first.url}/${slow.cid}`, { headers: { connection: "close" } });
  const second = await start(true);
  for (let count = 0; count < 20; count++) assert.equal(await offer(), 412);
  assert.equal(await running.text(), "begun\ndone\n");
  await first.replaced;
  assert.equal(await offer(), 412);
  await second.stop();
  await assert.rejects(offer());
});

Deno.test("a place that is taken is named by its own setting", async () => {
  await using home = await openProviderHome();
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const node = { ...fleetNode("n1"), listen: `127.0.0.1:${taken.addr.port}` };
  await assert.rejects(open(home, node, []), (error: Error & { hints: string[] }) => {
    assert.match(error.hints.join(), /provider\.fleet\.listen in config\.json/);
    return true;
  });
});

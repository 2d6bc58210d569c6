/** The proxies that docs/proxies and `fleet haproxy` configure before several nodes. */
import assert from "node:assert/strict";
import { DOMAIN, startFleet } from "../worlds/played_fleet.ts";
import { type ProxyName, proxyVersion } from "../worlds/proxies.ts";
import { testProxy } from "./proxy_steps.ts";

await testProxy("haproxy", 1);
for (const name of ["nginx", "caddy"] as const) {
  await testProxy(name, 3);
  await testNodes(name);
}

/** What HAProxy does better is tried in haproxy_test.ts. */
async function testNodes(name: ProxyName): Promise<void> {
  const ignore = await proxyVersion(name) === null;

  Deno.test(
    { name: `${name}: a deployment's calls meet one node in every form`, ignore },
    async () => {
      await using fleet = await startFleet(name);
      const { curl, url, nodes } = fleet;
      const cids = Array.from({ length: 60 }, (_, at) => `bafkrei${at}`);
      const { text } = await curl(
        ...cids.map((cid) => `/${cid}/a?b`),
        ...cids.map((cid) => url("/", `${cid}.${DOMAIN}`)),
      );
      const homes = text.trimEnd().split("\n");
      assert.deepEqual(homes.slice(60), homes.slice(0, 60));
      for (const { name, fields } of nodes) {
        const share = homes.slice(60).filter((home) => home === name).length;
        assert.ok(share >= 8, `${name} has ${share} of 60`);
        assert.equal(fields["khachapuri-home"], undefined);
      }
    },
  );

  Deno.test({ name: `${name}: what a dead node had goes to the next one`, ignore }, async () => {
    await using fleet = await startFleet(name);
    const home = await fleet.homeOf("/a");
    const isKnown = name === "caddy" ? fleet.said(/"HTTP request failed"/) : null;
    await home.die();
    const first = await fleet.curl("/a", "-o", "/dev/null", "-w", "%{http_code}");
    // nginx learns of it by the first call, which costs that one.
    assert.equal(first.text, name === "nginx" ? "502" : "200");
    await isKnown;
    const { text } = await fleet.curl("/a", "/a", "/a");
    assert.match(text, /^(n[123]\n)\1\1$/);
    assert.notEqual(text.slice(0, 2), home.name);
  });
}

Deno.test({
  name: "caddy: a node that drains gets no new calls",
  ignore: await proxyVersion("caddy") === null,
  async fn() {
    await using fleet = await startFleet("caddy");
    const home = await fleet.homeOf("/a");
    const isOut = fleet.said(/"unexpected status code"/);
    home.isReady = false;
    await isOut;
    const before = home.calls.length;
    assert.notEqual((await fleet.curl("/a")).text, `${home.name}\n`);
    assert.equal(home.calls.length, before);
  },
});

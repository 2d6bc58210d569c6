/** Deployments called by their names from a home that has deployed none of them, and paid for. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assignName } from "../lib/chain/registry.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { chainConfig, type Home, openHome } from "../worlds/home.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { answering, playNameServer, txt } from "../worlds/naming/name_server.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";
import { startRelay } from "../worlds/provider_relay.ts";

type Owner = Awaited<ReturnType<typeof openOwnersHome>>;

/** A program that answers `text` and its path, which its callers pay for. */
async function deploySaying(owner: Owner, text: string, ...flags: string[]): Promise<string> {
  const dir = join(owner.dir, text);
  await Deno.mkdir(dir);
  const main = `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n%s' "${text} $PATH_INFO?$QUERY_STRING"
`;
  await Deno.writeTextFile(join(dir, "main"), main, { mode: 0o755 });
  const args = ["deploy", dir, "--provider", NAME, "--accept-terms", "--access", "payer"];
  const deployed = await owner.run([...args, "--interface", "cgi", "--json", ...flags]);
  assert.equal(deployed.code, 0, deployed.err + deployed.out);
  return deployed.json.cid;
}

/** A caller's own home, which knows the chain and nothing else. */
const openPayer = (market: Market) =>
  openHome(chainConfig(market), { "keys.json": privateKeyOf(market.accounts.payer) });

async function paid(payer: Home, target: string) {
  const called = await payer.run("call", "--pay", "--json", target);
  assert.equal(called.code, 0, `${target}: ${called.err}${called.out}`);
  const { body, url, paid } = called.json;
  return { body, url, credits: paid?.credits, err: called.err };
}

Deno.test("who pays calls by any name that the provider knows, in the forms that are printed", async () => {
  let record = "";
  await using played = await playNameServer((
    asked,
  ) => [answering(asked, [txt(asked.name, record)])]);
  const { address, port } = played.server;
  await using market = await startMarket({
    settings: { name: NAME, names: { resolver: `${address}:${port}` } },
  });
  const { chain, registry, accounts } = market;
  await assignName(chain, accounts.deployer, registry, "blog.eth", accounts.owner.address);
  await using owner = await openOwnersHome(market);
  const cid = await deploySaying(owner, "duo", "--name", "duo");
  record = `dnslink=/ipfs/${cid}`;
  assert.equal((await owner.run(["name", "set", "blog.eth", cid])).code, 0);
  // The host form wants a host that has some below it.
  await using relay = startRelay(market, () => Promise.resolve());
  const url = relay.url.replace("127.0.0.1", "localhost");
  await owner.register({ webDomain: url });
  await using payer = await openPayer(market);
  const host = url.replace("://", "://duo.");
  for (
    const [target, name, where] of [
      [`${NAME}/duo/x?q`, "duo", NAME],
      [`${NAME}/DUO/x?q`, "DUO", NAME],
      [`${NAME}/blog.eth/x?q`, "blog.eth", NAME],
      [`${NAME}/www.example.com/x?q`, "www.example.com", NAME],
      [`${url}/duo/x?q`, "duo", url],
      [`${url}/blog.eth/x?q`, "blog.eth", url],
      [`${url}/www.example.com/x?q`, "www.example.com", url],
      [`${host}/x?q`, "duo", url],
    ] as const
  ) {
    const called = await paid(payer, target);
    assert.deepEqual([called.body, called.credits], ["duo /x?q", "1"], target);
    assert.equal(called.url, `${url}/${cid}/x?q`);
    assert.ok(called.err.includes(`${name} at ${where} leads to ${cid}\n`), called.err);
  }
  const nobodys = await payer.run("call", "--pay", `${NAME}/trio/x`);
  assert.equal(nobodys.code, 4, nobodys.err);
  assert.match(nobodys.err, /paolo\.khachapuri: nobody has the name trio/);
  const nowhere = await payer.run("call", "--pay", "http://127.0.0.1:1/duo/x");
  assert.equal(nowhere.code, 7, nowhere.err);
  assert.match(nowhere.err, /no provider says where .* leads[^]*PROVIDER\/www\.example\.com/);
});

Deno.test("a name that moves meanwhile has nothing else paid for than it led to", async () => {
  await using market = await startMarket({ settings: { name: NAME } });
  await using owner = await openOwnersHome(market);
  const one = await deploySaying(owner, "one", "--name", "duo");
  const two = await deploySaying(owner, "two");
  const move = async () => {
    const moved = await owner.run(["name", "set", "duo", two, "--provider", NAME]);
    assert.equal(moved.code, 0, moved.err);
  };
  let isToMove = false;
  await using relay = startRelay(market, async ({ pathname }) => {
    if (!pathname.endsWith("/x") || !isToMove) return;
    isToMove = false;
    await move();
  });
  await owner.register({ webDomain: relay.url });
  await using payer = await openPayer(market);
  isToMove = true;
  const first = await paid(payer, `${NAME}/duo/x`);
  assert.deepEqual([first.body, first.url], ["one /x?", `${relay.url}/${one}/x`]);
  assert.equal(isToMove, false);
  assert.equal((await paid(payer, `${relay.url}/duo/x`)).body, "two /x?");
});

Deno.test("a server that says it is somebody's provider is not paid", async () => {
  await using market = await startMarket({ settings: { name: NAME } });
  await using owner = await openOwnersHome(market);
  await deploySaying(owner, "one", "--name", "duo");
  await using relay = startRelay(market, () => Promise.resolve());
  await using payer = await openPayer(market);
  const refused = await payer.run("call", "--pay", `${relay.url}/duo/x`);
  assert.match(refused.err, /paolo\.khachapuri serves at .*, not there/);
  assert.notEqual(refused.code, 0);
});

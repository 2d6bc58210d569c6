/** `deploy --name` against a real provider: its register, ENS and DNS lead to what is deployed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { assignName } from "../lib/chain/registry.ts";
import { readDeployments } from "../lib/client/deployments_file.ts";
import { writeKeyFile } from "../lib/spec/keys.ts";
import { PRICE } from "../worlds/chain/escrow_chain.ts";
import { privateKeyOf } from "../worlds/chain/people.ts";
import { type Market, startMarket } from "../worlds/market.ts";
import { answering, playNameServer, txt } from "../worlds/naming/name_server.ts";
import { NAME, openOwnersHome } from "../worlds/owners_home.ts";
import { startRelay } from "../worlds/provider_relay.ts";

const PLACE = ["--provider", NAME, "--accept-terms"];
const FLAGS = [...PLACE, "--json"];

type Owner = Awaited<ReturnType<typeof openOwnersHome>>;

/** A program that answers `text`, in a folder of its own. */
async function programSaying(owner: Owner, text: string): Promise<string> {
  const dir = join(owner.dir, text);
  await Deno.mkdir(dir);
  await Deno.writeTextFile(join(dir, "main"), `#!/bin/sh\necho ${text}\n`, { mode: 0o755 });
  return dir;
}

async function deployAs(owner: Owner, text: string, name: string) {
  const dir = await programSaying(owner, text);
  const deployed = await owner.run(["deploy", dir, ...FLAGS, "--name", name]);
  assert.equal(deployed.code, 0, deployed.err + deployed.out);
  return deployed;
}

async function answerAt({ provider }: Market, path: string): Promise<string> {
  return await (await fetch(`${provider.url}/${path}`)).text();
}

Deno.test("a label leads to what was deployed under it last, and back", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const one = await deployAs(owner, "one", "blog");
  assert.deepEqual(one.json.name.urls, [`${market.provider.url}/blog/`]);
  assert.equal(one.json.name.places[0].sequence, 1);
  assert.equal(await answerAt(market, "blog/"), "one\n");
  const two = await deployAs(owner, "two", "blog");
  assert.equal(two.json.name.before, one.json.cid);
  assert.match(two.err, new RegExp(`before +${one.json.cid} ends its calls, and still answers`));
  assert.equal(await answerAt(market, "blog/"), "two\n");
  assert.equal(await answerAt(market, one.json.cid), "one\n");

  const told = await owner.run(["history", "blog", "--json"]);
  const [{ where, history }] = told.json.places;
  assert.equal(where, NAME);
  assert.deepEqual(history.map(({ cid }: { cid: string }) => cid), [two.json.cid, one.json.cid]);
  const back = await owner.run(["rollback", "blog"]);
  assert.equal(back.code, 0, back.err);
  assert.equal(await answerAt(market, "blog/"), "one\n");
  const forth = await owner.run(["name", "set", "blog", two.json.cid, "--json"]);
  assert.deepEqual(forth.json.places, [
    { where: NAME, action: "set", owner: market.accounts.owner.address, sequence: 4 },
  ]);
  const shown = await owner.run(["name", "show", "blog", "--json"]);
  assert.equal(shown.json.places[0].cid, two.json.cid);
  // What is stopped is no place to go back to.
  assert.equal((await owner.run(["stop", one.json.cid])).code, 0);
  const gone = await owner.run(["rollback", "blog"]);
  assert.deepEqual([gone.code, /was stopped/.test(gone.err)], [4, true], gone.err);

  const removed = await owner.run(["name", "remove", "blog", "--json"]);
  assert.equal(removed.json?.places[0].action, "removed", removed.err);
  assert.notEqual(await answerAt(market, "blog/"), "two\n");
  // A name that was given up goes on counting its changes.
  const again = await owner.run(["name", "set", "blog", two.json.cid, "--json"]);
  assert.equal(again.json?.places[0].sequence, 6, again.err);
});

Deno.test("a deployment has several names, and none is forgotten that leads to it", async () => {
  await using market = await startMarket({ settings: { names: { perUsdc: 0 } } });
  await using owner = await openOwnersHome(market);
  const { cid, name: { urls } } = (await deployAs(owner, "one", "blog")).json;
  const full = await owner.run(["name", "set", "foo", cid]);
  assert.deepEqual([full.code, /name list --provider/.test(full.err)], [5, true], full.err);
  await market.restart({ names: { perUsdc: 100 } });
  await owner.register();
  for (const name of ["foo", "bar"]) {
    assert.equal((await owner.run(["name", "set", name, cid])).code, 0);
  }
  const known = async () => {
    const [row] = (await owner.run(["deployments", "blog", "--json"])).json.deployments;
    assert.deepEqual([row.namedUrl, row.namedUrls[0]], [urls[0], urls[0]]);
    return [row.label, row.names];
  };
  assert.deepEqual(await known(), ["blog", ["blog", "foo", "bar"]]);
  assert.equal((await owner.run(["name", "remove", "foo"])).code, 0);
  assert.deepEqual(await known(), ["blog", ["blog", "bar"]]);
  const listed = async (home: Pick<Owner, "run">, ...flags: string[]) => {
    const told = await home.run(["name", "list", "--json", ...flags]);
    assert.equal(told.code, 0, told.err + told.out);
    return told.json.names.map((each: Record<string, unknown>) => [
      each.name,
      each.cid,
      each.isKnownHere,
    ]);
  };
  assert.deepEqual(await listed(owner), [["bar", cid, true], ["blog", cid, true]]);
  // A home that has forgotten them all.
  await using other = await openOwnersHome(market);
  assert.deepEqual(await listed(other), []);
  const there = await listed(other, "--provider", NAME);
  assert.deepEqual(there, [["bar", cid, false], ["blog", cid, false]]);

  // What another name leads to is not stopped by the way.
  await Deno.writeTextFile(join(owner.dir, "one", "main"), "#!/bin/sh\necho two\n");
  const again = await owner.run(["redeploy", "blog", "--stop-old"]);
  assert.deepEqual(
    [again.code, /^khachapuri: bar leads to/m.test(again.err)],
    [7, true],
    again.err,
  );
  const [, moved, two] = /khachapuri name set (\S+) (\S+)$/m.exec(again.err)!;
  assert.deepEqual([await answerAt(market, "bar/"), await answerAt(market, "blog/")], [
    "one\n",
    "two\n",
  ]);
  assert.equal((await owner.run(["name", "set", moved!, two!])).code, 0);
  const all = [["bar", two, true], ["blog", two, true]];
  assert.deepEqual(await listed(owner), all);

  const stopped = await owner.run(["stop", "blog"]);
  assert.match(stopped.err, /^bar still leads to it: khachapuri name set bar CID/m);
  const shown = await owner.run(["name", "show", "blog", "--json"]);
  assert.equal(shown.json?.places[0].cid, two, shown.err);
  assert.equal((await owner.run(["name", "remove", "blog"])).code, 0);
  assert.deepEqual(await listed(owner), [["bar", two, true]]);
});

Deno.test("a name that can't be had is refused before anything is signed or published", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  await deployAs(owner, "one", "blog");
  const stranger = join(owner.dir, "stranger.json");
  await writeKeyFile(stranger, { version: 1, account: privateKeyOf(market.accounts.stranger) });
  const dir = await programSaying(owner, "stolen");
  const before = await Deno.readTextFile(join(owner.dir, "deployments.json"));
  const refusals: [string[], number, RegExp][] = [
    [["--name", "blog", "--keys", stranger], 6, /the name blog is another's/],
    [["--name", "www"], 3, /"www" means something else/],
    [["--name", "nobodys.eth"], 6, /nobodys.eth has no owner/],
    [["--name", "a b.eth"], 3, /is no name|not an ENS name/],
  ];
  for (const [flags, code, message] of refusals) {
    const refused = await owner.run([
      "deploy",
      dir,
      "--provider",
      NAME,
      "--accept-terms",
      ...flags,
    ]);
    assert.equal(refused.code, code, refused.err);
    assert.match(refused.err, message);
    assert.doesNotMatch(refused.err, /^deployment /m);
  }
  // What is wrong by itself is told before anything is done for it.
  for (const name of ["www", "a b.eth", "no_label"]) {
    const early = await owner.run(["deploy", dir, "--provider", NAME, "--name", name]);
    assert.equal(early.code, 3, early.err);
    assert.doesNotMatch(early.err, /^(program|terms) /m);
  }
  assert.equal(await Deno.readTextFile(join(owner.dir, "deployments.json")), before);
  assert.equal(await answerAt(market, "blog/"), "one\n");
});

Deno.test("a deployment that would be refused leaves its name where it was, and says so", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  const one = await deployAs(owner, "one", "blog");
  assert.equal(await answerAt(market, "blog/"), "one\n");
  // Dearer than its record on the chain says, by which the next permit is signed.
  await market.restart({ price: String(2n * PRICE), keepPrice: 3_600 });
  await owner.register();
  const dir = await programSaying(owner, "two");
  const refused = await owner.run(["deploy", dir, ...FLAGS, "--name", "blog"]);
  assert.equal(refused.code, 5, refused.err);
  assert.match(refused.err, /^a call at paolo\.khachapuri would be refused: /m);
  const two = (await readDeployments(owner.dir)).at(-1)!.cid;
  assert.notEqual(two, one.json.cid);
  const told = `blog was not moved; once it stands: khachapuri name set blog ${two}`;
  assert.ok(refused.err.includes(told), refused.err);
  const shown = await owner.run(["name", "show", "blog", "--json"]);
  assert.equal(shown.json.places[0].cid, one.json.cid);
  assert.equal(await answerAt(market, "blog/"), "one\n");
});

Deno.test("what was before a name of ENS moved is stopped once callers come to it no more", async () => {
  let aheadMs = 0;
  await using market = await startMarket({ now: () => Date.now() + aheadMs });
  const { chain, registry, accounts } = market;
  await assignName(chain, accounts.deployer, registry, "blog.eth", accounts.owner.address);
  await using owner = await openOwnersHome(market);
  const answersMeanwhile: string[] = [];
  await using relay = startRelay(market, async ({ pathname }) => {
    if (pathname !== "/names/blog.eth") return;
    answersMeanwhile.push(await answerAt(market, "blog.eth/"));
    // Then as long as it believes what it has looked up is over.
    if (answersMeanwhile.length === 2) aheadMs = 61_000;
  });
  await owner.register({ webDomain: relay.url });
  const one = await deployAs(owner, "one", "blog.eth");
  assert.equal(await answerAt(market, "blog.eth/"), "one\n");
  await Deno.writeTextFile(join(owner.dir, "one", "main"), "#!/bin/sh\necho two\n");
  const again = await owner.run(["redeploy", "blog.eth", "--stop-old"]);
  assert.equal(again.code, 0, again.err);
  assert.match(again.err, new RegExp(`^stopped ${one.json.cid}`, "m"));
  assert.deepEqual(answersMeanwhile.slice(0, 2), ["one\n", "one\n"]);
  assert.ok(answersMeanwhile.every((answer) => /^(one|two)\n$/.test(answer)), "none was refused");
  assert.equal(await answerAt(market, "blog.eth/"), "two\n");
  assert.equal((await market.call(one.json.cid)).status, 410);
});

Deno.test("a name of ENS leads to what was deployed under it, at the provider too", async () => {
  await using market = await startMarket();
  const { chain, registry, accounts } = market;
  await assignName(chain, accounts.deployer, registry, "blog.eth", accounts.owner.address);
  await using owner = await openOwnersHome(market);
  const one = await deployAs(owner, "one", "blog.eth");
  assert.deepEqual(one.json.name.places[0].action, "set");
  assert.equal(await answerAt(market, "blog.eth/"), "one\n");
  const shown = await owner.run(["name", "show", "blog.eth", "--json"]);
  const cids = shown.json.places.map(({ where, cid }: { where: string; cid: string }) =>
    `${where}: ${cid}`
  );
  assert.deepEqual(cids, [`chain ${chain.chainId}: ${one.json.cid}`, `${NAME}: ${one.json.cid}`]);
});

Deno.test("of a domain the record to set is printed, and told apart from what is set", async () => {
  await using market = await startMarket();
  await using owner = await openOwnersHome(market);
  let record: string | null = null;
  await using played = await playNameServer((asked) => [
    answering(asked, record === null ? [] : [txt(asked.name, record)]),
  ]);
  const { address, port } = played.server;
  const dns = ["--dns", `${address}:${port}`];
  const dir = await programSaying(owner, "one");
  const { cid } = (await owner.run(["deploy", dir, ...FLAGS])).json;
  const set = ["name", "set", "www.example.com", cid, ...dns];
  const told = await owner.run(set);
  assert.equal(told.code, 0, told.err);
  const line = `_dnslink.www.example.com. 60 IN TXT "dnslink=/ipfs/${cid}"`;
  assert.ok(told.out.includes(`  ${line}\n`), told.out);
  assert.match(told.out, /^DNS: only you can change it\n {2}set this record/m);
  assert.ok(told.out.includes(`\n${market.provider.url}/www.example.com/\n`), told.out);
  record = "dnslink=/ipfs/QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4";
  const other = await owner.run([...set, "--json"]);
  assert.equal(other.json.places[0].line, line);
  assert.deepEqual(other.json.places[0].remove, [
    `_dnslink.www.example.com. IN TXT "${record}"`,
  ]);
  record = `dnslink=/ipfs/${cid}`;
  assert.equal((await owner.run([...set, "--json"])).json.places[0].action, "unchanged");
  const shown = await owner.run(["name", "show", "www.example.com", ...dns, "--json"]);
  assert.equal(shown.json.places[0].cid, cid);
  const removed = await owner.run(["name", "remove", "www.example.com", ...dns]);
  assert.match(removed.out, /take out:\n.*_dnslink\.www\.example\.com\. IN TXT/);
  assert.equal((await owner.run(["name", "show", "no_name.x_y", ...dns])).code, 3);
});

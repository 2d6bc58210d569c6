/** Names of deployments by commands alone, on real chains: the real ENS, and our own Registry. */
import assert from "node:assert/strict";
import type { Address } from "viem";
import { deployContentResolver } from "../lib/chain/deploy.ts";
import { encodeContenthash, readContenthash } from "../lib/chain/contenthash.ts";
import { contentResolverAddress } from "../lib/chain/content_resolver.ts";
import { parseName } from "../lib/chain/name.ts";
import { assignName, registerProvider } from "../lib/chain/registry.ts";
import { cidOf, formatCid, parseCid, RAW } from "../lib/cid.ts";
import {
  deployEns,
  deployUniversalResolver,
  giveName,
  registryAbi,
  resolverAbi,
} from "../worlds/chain/ens.ts";
import { type EscrowChain, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { ACCOUNTS, privateKeyOf } from "../worlds/chain/people.ts";
import { type Home, openHome } from "../worlds/home.ts";

const { deployer, owner, stranger } = ACCOUNTS;
const contentOf = (text: string) => formatCid(cidOf(RAW, new TextEncoder().encode(text)));
const [A, B, C] = [contentOf("a"), contentOf("b"), contentOf("c")];

/** A home of `owner`, or of whoever has the key, that knows this registry. */
function homeOn(
  { rpc, chain, escrow }: EscrowChain,
  registry: Address,
  account = owner,
): Promise<Home> {
  const contracts = { [String(chain.chainId)]: { escrow, registry } };
  return openHome({ rpc, contracts }, { "keys.json": privateKeyOf(account) });
}

async function cidsOf(home: Home, name: string): Promise<string[]> {
  const told = await home.run("history", name, "--json");
  assert.equal(told.code, 0, told.err);
  const [place] = told.json.places;
  assert.equal(place.isFromHere, false);
  return place.history.map(({ cid }: { cid: string }) => cid);
}

/** The same for every registry and resolver: set, show, history, rollback, remove. */
async function livesThrough(world: EscrowChain, home: Home, name: string, registry: Address) {
  const present = () => readContenthash(world.chain, name, { registry });
  assert.equal(await present(), null);
  const first = await home.run("name", "set", name, A, "--json");
  assert.equal(first.code, 0, first.err);
  assert.deepEqual([first.json.kind, first.json.cid], ["ens", A]);
  assert.equal(first.json.places[0].action, "set");
  assert.equal(await present(), A);
  const again = await home.run("name", "set", name, A, "--json");
  const { action, transactions } = again.json.places[0];
  assert.deepEqual([action, transactions], ["unchanged", []]);
  for (const cid of [B, C]) {
    const next = await home.run("name", "set", name, `ipfs://${cid}`, "--json");
    assert.equal(next.json?.places[0].transactions.length, 1, next.err);
  }
  assert.equal(await present(), C);
  const shown = await home.run("name", "show", name, "--json");
  assert.equal(shown.json.places[0].cid, C);
  assert.ok(Math.abs(shown.json.places[0].history[0].at - Date.now()) < 600_000);

  // Back, and forth again; then to any of its history.
  for (const flags of [[], [], ["--to", A], []]) {
    const told = await home.run("history", name, "--json");
    const { history } = told.json.places[0];
    const isNow = history.map((entry: { isNow: boolean }) => entry.isNow);
    assert.deepEqual(isNow, history.map((_: unknown, index: number) => index === 0));
    const wanted = flags[1] ?? history[1].cid;
    const back = await home.run("rollback", name, ...flags, "--json");
    assert.deepEqual([back.code, back.json?.cid], [0, wanted], back.err);
    assert.equal(await present(), wanted);
  }
  assert.deepEqual(await cidsOf(home, name), [C, A, C, B, C, B, A]);
  const text = (await home.run("history", name)).out;
  assert.match(text, new RegExp(`^[^\\n]*\\n[^\\n]*\\n[^\\n]*${C} {2}\\(now\\)\\n`));
  assert.equal(text.match(/\(now\)/g)?.length, 1, text);
  const never = formatCid(parseCid("QmRAQB6YaCyidP37UdDnjFY5vQuiBrcqdyoW1CuDgwxkD4"));
  const strange = await home.run("rollback", name, "--to", never);
  assert.deepEqual([strange.code, /never pointed to/.test(strange.err)], [4, true]);

  const removed = await home.run("name", "remove", name, "--json");
  assert.deepEqual([removed.code, removed.json?.places[0].action], [0, "removed"], removed.err);
  assert.equal(await present(), null);
  const gone = await home.run("name", "remove", name, "--json");
  assert.equal(gone.json.places[0].action, "unchanged");
  const restored = await home.run("rollback", name, "--json");
  assert.deepEqual([restored.code, restored.json?.cid], [0, C], restored.err);
}

Deno.test("names of our Registry and of the real ENS live through set, rollback and remove", async () => {
  await using world = await startEscrowChain();
  const { chain, registry } = world;
  await assignName(chain, deployer, registry, "blog.khachapuri", owner.address);
  await assignName(chain, deployer, registry, "blog.eth", owner.address);
  await using ours = await homeOn(world, registry);
  // Nobody has put the resolver there before: whoever needs it first does.
  await livesThrough(world, ours, "blog.khachapuri", registry);
  const { resolver } = (await ours.run("name", "set", "blog.eth", C, "--json")).json.places[0];
  assert.equal(resolver, contentResolverAddress(registry));

  const ens = await deployEns(chain, deployer);
  await using theirs = await homeOn(world, ens.registry);
  for (const name of ["plain.eth", "public.eth"]) {
    await giveName(chain, deployer, ens.registry, name, owner.address);
  }
  // A name that has ENS's own resolver keeps it, with all that it says.
  const { node } = parseName("public.eth");
  const use = (address: Address, functionName: string, args: unknown[]) =>
    chain.send(owner, {
      address,
      abi: address === ens.registry ? registryAbi : resolverAbi,
      functionName,
      args,
    });
  await use(ens.registry, "setResolver", [node, ens.publicResolver]);
  await use(ens.publicResolver, "setText", [node, "url", "https://kept.example"]);
  await livesThrough(world, theirs, "public.eth", ens.registry);
  await theirs.run("name", "set", "plain.eth", C);
  for (const name of ["plain.eth", "public.eth"]) {
    const { universalResolver } = ens;
    assert.equal(await readContenthash(chain, name, { universalResolver }), C);
  }
  const at = { address: ens.publicResolver, abi: resolverAbi };
  const text = await chain.read({ ...at, functionName: "text", args: [node, "url"] });
  assert.equal(text, "https://kept.example");
  const raw = await chain.read({ ...at, functionName: "contenthash", args: [node] });
  assert.equal(raw, encodeContenthash(parseCid(C)));
});

Deno.test("whose name it is not is told so, before anything is sent", async () => {
  await using world = await startEscrowChain();
  const { chain, registry } = world;
  const ens = await deployEns(chain, deployer);
  await assignName(chain, deployer, registry, "blog.eth", owner.address);
  await giveName(chain, deployer, ens.registry, "blog.eth", owner.address);
  const { node } = parseName("blog.eth");
  const pointed = { address: ens.registry, abi: registryAbi, functionName: "setResolver" };
  await chain.send(owner, { ...pointed, args: [node, ens.publicResolver] });
  for (const each of [registry, ens.registry]) {
    await using thief = await homeOn(world, each, stranger);
    const refused = await thief.run("name", "set", "blog.eth", A);
    assert.equal(refused.code, 6, refused.err);
    assert.match(refused.err, new RegExp(`blog.eth belongs to ${owner.address}`));
    assert.match(refused.err, /khachapuri assign blog.eth/);
    const nobodys = await thief.run("name", "set", "nobodys.eth", A);
    assert.match(nobodys.err, /nobodys.eth has no owner and can't be claimed/);
    assert.equal(nobodys.code, 6);
  }
  assert.equal(await chain.public.getTransactionCount({ address: stranger.address }), 0);
});

Deno.test("an unowned name is claimed by the way, where claims are open", async () => {
  await using world = await startEscrowChain();
  const { chain, registry } = world;
  await using root = await homeOn(world, registry, deployer);
  const opened = await root.run("contracts", "deploy", "--registry", registry, "--open-claims");
  assert.equal(opened.code, 0, opened.err);
  await using home = await homeOn(world, registry, stranger);
  const claimed = await home.run("name", "set", "new.eth", A, "--json");
  assert.equal(claimed.code, 0, claimed.err);
  assert.equal(await readContenthash(chain, "new.eth", { registry }), A);
});

Deno.test("a provider's own name keeps its record, unless it is given up by name", async () => {
  await using world = await startEscrowChain();
  const { chain, registry, escrow } = world;
  await assignName(chain, deployer, registry, "paolo.eth", owner.address);
  await registerProvider(chain, owner, {
    registry,
    name: "paolo.eth",
    records: {
      address: owner.address,
      webDomain: "https://paolo.example",
      recipients: ["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
      price: 1n,
      terms: null,
      escrow: { chainId: chain.chainId, address: escrow },
    },
  });
  await using home = await homeOn(world, registry);
  const kept = await home.run("name", "set", "paolo.eth", A);
  assert.equal(kept.code, 3);
  assert.match(kept.err, /the resolver of paolo.eth, 0x\w+, has no contenthash/);
  assert.match(kept.err, /--replace-resolver/);
  assert.equal((await home.run("resolve", "paolo.eth")).code, 0);
  const shown = await home.run("name", "show", "paolo.eth", "--json");
  assert.equal(shown.json.places[0].cid, null);
  const replaced = await home.run("name", "set", "paolo.eth", A, "--replace-resolver", "--json");
  assert.equal(replaced.code, 0, replaced.err);
  assert.equal(await readContenthash(chain, "paolo.eth", { registry }), A);
});

Deno.test("what points elsewhere is said by name, a silent chain is no answer", async () => {
  await using world = await startEscrowChain();
  const { chain, registry } = world;
  await assignName(chain, deployer, registry, "blog.eth", owner.address);
  const { address } = await deployContentResolver(chain, owner, registry);
  const universalResolver = await deployUniversalResolver(chain, deployer, registry);
  await using home = await homeOn(world, registry);
  await home.run("name", "set", "blog.eth", A);
  const swarm = "0xe40101701b20d1de9994b4d039f6548d191eb26786769f580809256b4685ef316805265ea162";
  const args = [parseName("blog.eth").node, swarm];
  await chain.send(owner, { address, abi: resolverAbi, functionName: "setContenthash", args });
  for (const source of [{ registry }, { universalResolver }]) {
    await assert.rejects(readContenthash(chain, "blog.eth", source), {
      code: "invalid_input",
      message: /blog.eth: the contenthash points to Swarm, not to IPFS/,
    });
  }
  const shown = await home.run("name", "show", "blog.eth");
  assert.deepEqual([shown.code, /points to Swarm/.test(shown.err)], [3, true], shown.err);
  const mended = await home.run("name", "set", "blog.eth", B, "--json");
  assert.equal(mended.json?.places[0].action, "set", mended.err);
  const bare = await readContenthash(chain, "no-such.eth", { universalResolver });
  assert.equal(bare, null);
  await assert.rejects(readContenthash(chain, "a b.eth"), { code: "invalid_name" });
  await assert.rejects(readContenthash(chain, "x.eth"), { code: "invalid_config" });
});

Deno.test("an outage throws, through the registry and through a Universal Resolver", async () => {
  const world = await startEscrowChain();
  const { chain, registry } = world;
  const universalResolver = await deployUniversalResolver(chain, deployer, registry);
  await world[Symbol.asyncDispose]();
  for (const source of [{ registry }, { universalResolver }]) {
    await assert.rejects(readContenthash(chain, "blog.eth", source), { code: "chain_unavailable" });
  }
});

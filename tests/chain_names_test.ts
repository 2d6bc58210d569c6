import assert from "node:assert/strict";
import { type Address, getAddress, keccak256, stringToBytes, zeroAddress } from "viem";
import { resolveProvider } from "../lib/chain/ens.ts";
import { parseName } from "../lib/chain/name.ts";
import {
  assignName,
  type ProviderRecords,
  type RegisterOptions,
  registerProvider,
} from "../lib/chain/registry.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { deployEns, deployUniversalResolver, giveName, resolverAbi } from "../worlds/chain/ens.ts";
import { type EscrowChain, startEscrowChain } from "../worlds/chain/escrow_chain.ts";

const AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
/** ENSIP-11: 0x80000000 | 8453. */
const BASE_COIN_TYPE = 2147492101n;
const NAME = "provider.khachapuri";

function recordsOf(world: EscrowChain): ProviderRecords {
  const { chain, escrow, accounts: { provider } } = world;
  return {
    address: provider.address,
    webDomain: "http://127.0.0.1:8402",
    recipients: [AGE],
    price: 1000n,
    terms: keccak256(stringToBytes("be nice")),
    escrow: { chainId: chain.chainId, address: escrow },
  };
}

function optionsOf(world: EscrowChain, more: Partial<RegisterOptions> = {}): RegisterOptions {
  return { registry: world.registry, name: NAME, records: recordsOf(world), ...more };
}

function hasCode(code: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof KhachapuriError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

Deno.test("a provider registers in our Registry and is resolved by name", async () => {
  await using world = await startEscrowChain();
  const { chain, registry, accounts: { deployer, provider } } = world;
  await assignName(chain, deployer, registry, NAME, provider.address);
  const first = await registerProvider(chain, provider, optionsOf(world));
  assert.equal(first.action, "deployed");
  const record = await resolveProvider(chain, "Provider.KHACHAPURI", { registry });
  const { address, ...texts } = recordsOf(world);
  const { node } = parseName(NAME);
  assert.deepEqual(record, { name: NAME, node, resolver: first.resolver, address, ...texts });
});

Deno.test("registering again sets what changed in the same resolver, or nothing", async () => {
  await using world = await startEscrowChain();
  const { chain, registry, accounts: { deployer, provider, operator } } = world;
  await assignName(chain, deployer, registry, NAME, provider.address);
  const { resolver } = await registerProvider(chain, provider, optionsOf(world));
  const again = await registerProvider(chain, provider, optionsOf(world));
  assert.deepEqual([again.action, again.resolver, again.transactions], ["unchanged", resolver, []]);
  const records = { ...recordsOf(world), address: operator.address, price: 7n, terms: null };
  const update = await registerProvider(chain, provider, optionsOf(world, { records }));
  assert.deepEqual([update.action, update.resolver], ["updated", resolver]);
  assert.equal(update.transactions.length, 1);
  const record = await resolveProvider(chain, NAME, { registry });
  assert.deepEqual([record.address, record.price, record.terms], [operator.address, 7n, null]);
});

Deno.test("viem's ENS calls read a ProviderResolver through a Universal Resolver", async () => {
  await using world = await startEscrowChain();
  const { chain, registry, accounts: { deployer, provider } } = world;
  await assignName(chain, deployer, registry, NAME, provider.address);
  const { resolver } = await registerProvider(chain, provider, optionsOf(world));
  const universalResolver = await deployUniversalResolver(chain, deployer, registry);
  const about = { name: NAME, universalResolverAddress: universalResolver };
  const client = chain.public;
  assert.equal(await client.getEnsAddress(about), provider.address);
  const onBase = await client.getEnsAddress({ ...about, coinType: BASE_COIN_TYPE });
  assert.equal(getAddress(onBase!), provider.address);
  assert.equal(await client.getEnsResolver(about), resolver);
  assert.equal(await client.getEnsText({ ...about, key: "url" }), "http://127.0.0.1:8402");
  assert.equal(await client.getEnsText({ ...about, key: "khachapuri.age" }), AGE);
  assert.equal(await client.getEnsText({ ...about, key: "avatar" }), null);
  assert.equal(await client.getEnsAddress({ ...about, name: "nobody.khachapuri" }), null);
  const direct = await resolveProvider(chain, NAME, { registry });
  assert.deepEqual(await resolveProvider(chain, NAME, { registry, universalResolver }), direct);
});

Deno.test("a name of the real ENSRegistry points to a ProviderResolver", async () => {
  await using world = await startEscrowChain();
  const { chain, accounts: { deployer, provider } } = world;
  const { registry, universalResolver } = await deployEns(chain, deployer);
  await giveName(chain, deployer, registry, "provider.eth", provider.address);
  const options = optionsOf(world, { registry, name: "provider.eth" });
  assert.equal((await registerProvider(chain, provider, options)).action, "deployed");
  for (const source of [{ registry }, { universalResolver }]) {
    const record = await resolveProvider(chain, "provider.eth", source);
    assert.equal(record.address, provider.address);
    assert.deepEqual(record.recipients, [AGE]);
  }
});

Deno.test("a name of the real ENS keeps its PublicResolver and says the same", async () => {
  await using world = await startEscrowChain();
  const { chain, accounts: { deployer, provider } } = world;
  const { registry, publicResolver, universalResolver } = await deployEns(chain, deployer);
  await giveName(chain, deployer, registry, "provider.eth", provider.address);
  const options = optionsOf(world, { registry, name: "provider.eth", publicResolver });
  const first = await registerProvider(chain, provider, options);
  assert.deepEqual([first.action, first.resolver], ["updated", publicResolver]);
  assert.equal((await registerProvider(chain, provider, options)).action, "unchanged");
  const { address, ...texts } = recordsOf(world);
  for (const source of [{ registry }, { universalResolver }]) {
    const { name: _, node: __, resolver, ...said } = await resolveProvider(
      chain,
      "provider.eth",
      source,
    );
    assert.deepEqual({ resolver, ...said }, { resolver: publicResolver, address, ...texts });
  }
  await assert.rejects(
    registerProvider(chain, provider, optionsOf(world, { registry, name: "provider.eth" })),
    hasCode("access_denied", /points to resolver 0x.*, which is not/),
  );
});

Deno.test("resolving says what is missing or malformed", async () => {
  await using world = await startEscrowChain();
  const { chain, usdc, accounts: { deployer, provider } } = world;
  const { registry, publicResolver, universalResolver } = await deployEns(chain, deployer);
  await giveName(chain, deployer, registry, "provider.eth", provider.address);
  const node = parseName("provider.eth").node;
  const sources = [{ registry }, { universalResolver }];
  const failsWith = async (code: string, message: RegExp) => {
    for (const source of sources) {
      await assert.rejects(resolveProvider(chain, "provider.eth", source), hasCode(code, message));
    }
  };
  const set = (functionName: string, args: unknown[]) =>
    chain.send(provider, { address: publicResolver, abi: resolverAbi, functionName, args });
  await failsWith("not_found", /provider.eth has no resolver/);
  const setResolver = (resolver: Address) =>
    registerProvider(chain, provider, {
      ...optionsOf(world, { registry, name: "provider.eth" }),
      publicResolver: resolver,
    });
  await setResolver(publicResolver);
  await set("setText", [node, "khachapuri.price", ""]);
  await failsWith("not_found", /no record khachapuri.price/);
  await set("setText", [node, "khachapuri.price", "cheap"]);
  await failsWith("invalid_input", /record khachapuri.price: not a whole number/);
  await set("setText", [node, "khachapuri.price", "1"]);
  await set("setText", [node, "url", "http://provider.example"]);
  await failsWith("invalid_input", /record url: must be https/);
  await set("setText", [node, "url", `https://${"a".repeat(17_000)}`]);
  await failsWith("invalid_input", /record url: longer than/);
  await set("setAddr", [node, zeroAddress]);
  await failsWith("not_found", /no record address/);
  await assert.rejects(
    resolveProvider(chain, "odd.eth", { registry: usdc }),
    hasCode("chain_refused", /./),
  );
  await assert.rejects(resolveProvider(chain, "x.eth"), hasCode("invalid_config", /no names/));
  await assert.rejects(resolveProvider(chain, "x..eth"), hasCode("invalid_name", /x\.\.eth/));
});

Deno.test("only who owns a name registers it, and the refusal costs nothing", async () => {
  await using world = await startEscrowChain();
  const { chain, registry, accounts: { deployer, provider, stranger } } = world;
  await assert.rejects(
    registerProvider(chain, provider, optionsOf(world)),
    hasCode("access_denied", /has no owner and can't be claimed/),
  );
  await assignName(chain, deployer, registry, NAME, provider.address);
  await assert.rejects(
    registerProvider(chain, stranger, optionsOf(world)),
    hasCode("access_denied", new RegExp(`belongs to ${provider.address}`)),
  );
  assert.equal(await chain.public.getTransactionCount({ address: stranger.address }), 0);
  await assert.rejects(
    registerProvider(chain, provider, optionsOf(world, { name: "a b" })),
    hasCode("invalid_name", /a b/),
  );
  const records = { ...recordsOf(world), webDomain: "http://provider.example" };
  await assert.rejects(
    registerProvider(chain, provider, optionsOf(world, { records })),
    hasCode("invalid_input", /record url/),
  );
});

Deno.test("the root hands out subtrees, takes them back, and others stay out", async () => {
  await using world = await startEscrowChain();
  const { chain, registry, accounts: { deployer, provider, operator, stranger } } = world;
  const given = await assignName(chain, deployer, registry, "a.b.c", provider.address);
  assert.deepEqual([given.previousOwner, given.transactions.length], [null, 3]);
  const passed = await assignName(chain, provider, registry, "x.a.b.c", operator.address);
  assert.equal(passed.transactions.length, 1);
  await assignName(chain, provider, registry, "a.b.c", operator.address);
  const back = await assignName(chain, deployer, registry, "a.b.c", deployer.address);
  assert.equal(back.previousOwner, operator.address);
  for (const name of ["a.b.c", "y.a.b.c", "c", "new"]) {
    await assert.rejects(
      assignName(chain, stranger, registry, name, stranger.address),
      hasCode("access_denied", /can't hand out/),
    );
  }
  await assert.rejects(
    assignName(chain, deployer, registry, "z.x.a.b.c", deployer.address),
    hasCode("access_denied", new RegExp(`x.a.b.c belongs to ${operator.address}`)),
  );
});

/** `contracts` and what a configuration names of them, by commands on real chains. */
import assert from "node:assert/strict";
import { join } from "node:path";
import type { Address } from "viem";
import { generatePrivateKey } from "viem/accounts";
import { deployUsdc } from "../lib/chain/circle_usdc.ts";
import { type Chain, connect } from "../lib/chain/client.ts";
import { contentResolverAddress } from "../lib/chain/content_resolver.ts";
import { shippedOn } from "../lib/chain/deployments.ts";
import { readConfig } from "../lib/config.ts";
import { startAnvil } from "../worlds/chain/anvil.ts";
import { ACCOUNTS, privateKeyOf } from "../worlds/chain/people.ts";
import { openHome, runIn } from "../worlds/home.ts";

const { deployer, payer, provider } = ACCOUNTS;
const CHAIN = "31337";
const DEPLOY_ALL = ["contracts", "deploy", "--with-usdc", "--json"];

/** A home of somebody new, on the chain at `rpc`. */
function newHome(rpc: string) {
  return openHome({ rpc }, { "keys.json": generatePrivateKey() });
}

async function contractsIn(dir: string) {
  return (await readConfig(dir)).contracts;
}

Deno.test("a chain of one's own: USDC, escrow, names, and a deposit, by commands alone", async () => {
  await using anvil = await startAnvil();
  await using home = await newHome(anvil.url);
  const deployed = await home.run(...DEPLOY_ALL);
  assert.equal(deployed.code, 0, deployed.err);
  const { escrow, usdc, registry, contentResolver, isNew } = deployed.json;
  assert.equal(isNew, true);
  assert.equal(contentResolver, contentResolverAddress(registry));
  assert.deepEqual(await contractsIn(home.dir), { [CHAIN]: { escrow, registry } });
  const deposited = await home.run("deposit", "5", "--json");
  assert.deepEqual([deposited.code, deposited.json?.free], [0, "5000000"], deposited.err);
  const minted = await home.run("contracts", "mint", "7", "--to", payer.address);
  assert.equal(minted.code, 0, minted.err);
  const balance = await home.run("balance", "--of", payer.address, "--json");
  assert.equal(balance.json.wallet, "7000000");

  // All again, without flags or with them: everything stands, and no more is minted.
  for (const flags of [[], ["--with-usdc"], ["--usdc", usdc]]) {
    const again = await home.run("contracts", "deploy", ...flags, "--json");
    assert.equal(again.code, 0, again.err);
    assert.deepEqual(again.json, { ...deployed.json, isNew: false });
  }
  assert.equal((await home.run("balance", "--json")).json.wallet, "999995000000");
  const told = await home.run("contracts", "address", "--json");
  assert.deepEqual([told.json.escrow, told.json.usdc, told.json.stands], [escrow, usdc, true]);
});

Deno.test("a second account finds the escrow standing, and names of its own or the first's", async () => {
  await using anvil = await startAnvil({ chainId: 4242 });
  await using first = await newHome(anvil.url);
  await using second = await openHome({ rpc: anvil.url }, { "keys.json": privateKeyOf(payer) });
  const { escrow, usdc, registry } = (await first.run(...DEPLOY_ALL)).json;
  const own = await second.run("contracts", "deploy", "--usdc", usdc, "--json");
  assert.deepEqual([own.code, own.json?.escrow, own.json?.isNew], [0, escrow, false], own.err);
  assert.notEqual(own.json.registry, registry);
  const root = ["--root-owner", payer.address];
  const told = await second.run("contracts", "address", ...root, "--json");
  assert.deepEqual([told.json.registry, told.json.registryStands], [own.json.registry, true]);
  const nobodys = ["--root-owner", provider.address];
  const absent = await second.run("contracts", "address", ...nobodys);
  assert.match(absent.out, /registry +0x\w{40}, does not stand yet/);
  const shared = await second.run("contracts", "deploy", "--registry", registry, "--json");
  assert.deepEqual([shared.code, shared.json?.registry], [0, registry], shared.err);
  const kept = await second.run("contracts", "deploy", "--json");
  assert.deepEqual([kept.json.escrow, kept.json.registry], [escrow, registry]);
  const foreign = await second.run("contracts", "mint", "1");
  assert.deepEqual([foreign.code, /not a minter/.test(foreign.err)], [5, true]);
});

Deno.test("another thawing period is another escrow, which takes the first's place when told", async () => {
  await using anvil = await startAnvil();
  await using home = await newHome(anvil.url);
  const { escrow, usdc } = (await home.run(...DEPLOY_ALL)).json;
  const hour = ["contracts", "deploy", "--thawing", "3600"];
  const refused = await home.run(...hour);
  assert.equal(refused.code, 3);
  assert.match(refused.err, new RegExp(`has another escrow on chain 31337: ${escrow}`));
  assert.match(refused.err, /put the new one in its place: --replace/);
  const replaced = await home.run(...hour, "--replace", "--json");
  assert.deepEqual([replaced.code, replaced.json?.usdc], [0, usdc], replaced.err);
  assert.notEqual(replaced.json.escrow, escrow);
  const told = await home.run("contracts", "address", "--json");
  assert.deepEqual([told.json.escrow, told.json.thawingPeriodSeconds], [
    replaced.json.escrow,
    3600,
  ]);
});

Deno.test("a chain that began anew is said to have forgotten the escrow, and gets it again", async () => {
  await using anvil = await startAnvil();
  await using home = await newHome(anvil.url);
  const before = (await home.run(...DEPLOY_ALL)).json;
  await anvil.stop();
  await using anew = await startAnvil();
  const forgotten = await home.run("balance", "--rpc", anew.url);
  assert.equal(forgotten.code, 3);
  assert.match(forgotten.err, /chain 31337 has no contract at the escrow/);
  assert.match(forgotten.err, /began anew has forgotten it: khachapuri contracts deploy/);
  const after = await home.run(...DEPLOY_ALL, "--rpc", anew.url);
  assert.deepEqual([after.code, after.json], [0, before], after.err);
});

Deno.test("an entry of an earlier release in config.json is refused by name, with what to do", async () => {
  await using anvil = await startAnvil();
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, deployer);
  const old = await putOldEscrow(chain, usdc);
  const config = { rpc: anvil.url, contracts: { [CHAIN]: { escrow: old, usdc } } };
  await using home = await openHome(config, { "keys.json": privateKeyOf(payer) });
  for (const command of [["balance"], ["deposit", "1"], ["allowance", payer.address], ["doctor"]]) {
    const { code, out, err } = await home.run(...command);
    assert.equal(code, 3, command[0]);
    assert.match(out + err, /is not this release's escrow/);
    assert.match(out + err, /contracts deploy --replace/);
  }
  const kept = await home.run("contracts", "deploy");
  assert.deepEqual([kept.code, /has another escrow/.test(kept.err)], [3, true]);
  const replaced = await home.run("contracts", "deploy", "--replace", "--json");
  assert.deepEqual([replaced.code, replaced.json?.usdc], [0, usdc], replaced.err);
  assert.equal((await home.run("balance")).code, 0);
});

/** A contract that answers the token to whatever it is asked, as an escrow would to `token()`. */
async function putOldEscrow(chain: Chain, usdc: Address): Promise<Address> {
  const address = "0x00000000000000000000000000000000000dEaD1";
  const request = chain.public.request as (call: unknown) => Promise<unknown>;
  const code = `0x73${usdc.slice(2).toLowerCase()}5f5260205ff3`;
  await request({ method: "anvil_setCode", params: [address, code] });
  return address;
}

Deno.test("every command takes USDC from the escrow, and refuses where config.json says another", async () => {
  await using anvil = await startAnvil();
  await using home = await newHome(anvil.url);
  const { escrow, registry } = (await home.run(...DEPLOY_ALL)).json;
  const price = ["--credits", "1", "--price", "1"];
  const commands = [
    ["deposit", "5"],
    ["balance"],
    ["allow", provider.address, ...price],
    ["permit", provider.address, ...price],
    ["withdraw", "1"],
  ];
  for (const command of commands) {
    const { code, err } = await home.run(...command);
    assert.equal(code, 0, `${command[0]}: ${err}`);
  }
  const config = JSON.parse(await Deno.readTextFile(join(home.dir, "config.json")));
  config.contracts[CHAIN] = { escrow, registry, usdc: payer.address };
  await Deno.writeTextFile(join(home.dir, "config.json"), JSON.stringify(config));
  for (const command of commands) {
    const { code, err } = await home.run(...command);
    assert.equal(code, 3, command[0]);
    assert.match(err, /holds 0x\w{40}, and config\.json names 0x7099/);
  }
});

Deno.test("on a chain that ships nothing need be named, and Circle's USDC has no substitute", async () => {
  await using anvil = await startAnvil({ chainId: 8453 });
  await using home = await openHome({ rpc: anvil.url }, { "keys.json": privateKeyOf(payer) });
  const { escrow, codeHash } = shippedOn(8453)!;
  for (const command of [["balance"], ["deposit", "1"], ["doctor"]]) {
    const { code, out, err } = await home.run(...command);
    assert.equal(code, 3, command[0]);
    assert.match(out + err, /the escrow does not stand on Base \(chain 8453\) yet/);
    assert.match(out + err, /anyone can put it there, for the gas: khachapuri contracts deploy/);
  }
  const told = await home.run("contracts", "address", "--json");
  assert.deepEqual([told.json.escrow, told.json.stands], [escrow, false]);
  const offline = await home.run("contracts", "address", "--chain", "8453", "--json");
  assert.deepEqual([offline.json.codeHash, offline.json.stands], [codeHash, undefined]);
  const mistaken = ["contracts", "address", "--chain", "1", "--rpc", anvil.url];
  assert.match((await home.run(...mistaken)).err, /is chain 8453, not 1/);
  const bare = await home.run("contracts", "deploy");
  assert.deepEqual([bare.code, /is no USDC/.test(bare.err)], [3, true], bare.err);
  const substitute = await home.run("contracts", "deploy", "--with-usdc");
  assert.deepEqual([substitute.code, /has Circle's own USDC/.test(substitute.err)], [2, true]);
  assert.deepEqual(await contractsIn(home.dir), {});
});

Deno.test("a token called USDC goes to a chain elsewhere only when a person says so", async () => {
  await using anvil = await startAnvil({ chainId: 4242 });
  // The same chain by an address that does not look like this machine's.
  const elsewhere = anvil.url.replace("127.0.0.1", "[::ffff:127.0.0.1]");
  await using home = await newHome(elsewhere);
  const unasked = await home.run("contracts", "deploy", "--with-usdc");
  assert.deepEqual([unasked.code, /needs an answer/.test(unasked.err)], [2, true], unasked.err);
  const asked = (answer: string) =>
    runIn(home.dir, ["contracts", "deploy", "--with-usdc"], {
      isTerminal: true,
      answers: [answer],
    });
  const declined = await asked("n");
  assert.deepEqual([declined.code, /nothing was deployed/.test(declined.err)], [2, true]);
  assert.deepEqual(await contractsIn(home.dir), {});
  assert.equal((await asked("y")).code, 0);
});

Deno.test("init records contracts that it has checked, of an escrow or of names alone", async () => {
  await using anvil = await startAnvil();
  await using maker = await newHome(anvil.url);
  const { escrow, registry, usdc } = (await maker.run(...DEPLOY_ALL)).json;
  const dir = join(maker.dir, "other");
  const init = (...flags: string[]) => runIn(dir, ["init", "--rpc", anvil.url, ...flags]);
  const strange = await init("--escrow", usdc);
  assert.deepEqual([strange.code, /not this release's escrow/.test(strange.err)], [3, true]);
  const lone = await init("--registry", registry);
  assert.deepEqual([lone.code, /no escrow is known.*\n {2}.*init --escrow/.test(lone.err)], [
    3,
    true,
  ], lone.err);
  assert.equal((await init("--escrow", escrow, "--registry", registry)).code, 0);
  assert.deepEqual(await contractsIn(dir), { [CHAIN]: { escrow, registry } });
});

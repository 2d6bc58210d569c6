/** Contracts at their computed addresses, on real chains of different ids. */
import assert from "node:assert/strict";
import { type Address, keccak256, numberToHex, parseEther } from "viem";
import { generatePrivateKey } from "viem/accounts";
import { deployUsdc } from "../lib/chain/circle_usdc.ts";
import { type Chain, connect } from "../lib/chain/client.ts";
import { readContracts } from "../lib/chain/contracts.ts";
import { CREATE2_FACTORY } from "../lib/chain/create2.ts";
import { deployEscrow, deployRegistry, registryAddress } from "../lib/chain/deploy.ts";
import { shippedOn } from "../lib/chain/deployments.ts";
import { escrowAddress } from "../lib/chain/escrow_code.ts";
import { usdcDomain } from "../lib/chain/usdc.ts";
import { startAnvil } from "../worlds/chain/anvil.ts";
import { ACCOUNTS, privateKeyOf } from "../worlds/chain/people.ts";
import { openHome } from "../worlds/home.ts";

const { deployer, payer, stranger } = ACCOUNTS;

async function setCode(chain: Chain, address: Address, code: string): Promise<void> {
  const request = chain.public.request as (call: unknown) => Promise<unknown>;
  await request({ method: "anvil_setCode", params: [address, code] });
}

Deno.test("whoever deploys it, the escrow comes out at its one address, known by its code", async () => {
  for (const chainId of [31_337, 424_242]) {
    await using anvil = await startAnvil({ chainId });
    const chain = await connect(anvil.url);
    const usdc = await deployUsdc(chain, deployer);
    for (const thawingPeriodSeconds of [3_600n, 86_400n]) {
      const terms = { usdc, thawingPeriodSeconds };
      const first = await deployEscrow(chain, stranger, terms);
      assert.deepEqual(first, { address: escrowAddress(terms), isNew: true });
      assert.deepEqual(await deployEscrow(chain, payer, terms), { ...first, isNew: false });
      assert.deepEqual(await readContracts(chain, { escrow: first.address }), {
        escrow: first.address,
        usdc,
      });
    }
    const registry = await deployRegistry(chain, stranger, payer.address);
    assert.deepEqual(registry, { address: registryAddress(payer.address), isNew: true });
    const again = await deployRegistry(chain, deployer, payer.address);
    assert.deepEqual(again, { ...registry, isNew: false });
  }
});

Deno.test("a constructor's refusal is said, though the factory swallows it", async () => {
  await using anvil = await startAnvil();
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, deployer);
  const short = { usdc, thawingPeriodSeconds: 3_599n };
  await assert.rejects(deployEscrow(chain, deployer, short), { message: /InvalidThawingPeriod/ });
  const noToken = { usdc: payer.address, thawingPeriodSeconds: 3_600n };
  await assert.rejects(deployEscrow(chain, deployer, noToken), {
    code: "invalid_input",
    message: /is no USDC/,
  });
  await setCode(chain, CREATE2_FACTORY, "0x");
  const terms = { usdc, thawingPeriodSeconds: 3_600n };
  await assert.rejects(deployEscrow(chain, deployer, terms), {
    code: "invalid_config",
    message: /lacks the CREATE2 factory/,
  });
});

Deno.test("an escrow that is none, or holds another token, is refused before anything is asked", async () => {
  await using anvil = await startAnvil();
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, deployer);
  const { address: escrow } = await deployEscrow(chain, deployer, {
    usdc,
    thawingPeriodSeconds: 3_600n,
  });
  const refused = (named: Parameters<typeof readContracts>[1], message: RegExp) =>
    assert.rejects(readContracts(chain, named), { code: "invalid_config", message });
  await refused({}, /no escrow is known on chain 31337/);
  await refused({ escrow: payer.address }, /no contract at the escrow/);
  await refused({ escrow: usdc }, /is not this release's escrow/);
  await refused({ escrow, usdc: payer.address }, /holds 0x\w+, not the USDC that is named/);
  await refused({ escrow, registry: payer.address }, /no contract at the registry/);
  const code = await chain.public.getCode({ address: escrow });
  await setCode(chain, payer.address, code!);
  await refused({ escrow: payer.address }, /is not this release's escrow/);
});

Deno.test("on a chain that ships, an escrow that does not stand yet is said, and how to put it there", async () => {
  await using anvil = await startAnvil({ chainId: 84_532 });
  const chain = await connect(anvil.url);
  const { escrow, codeHash, usdc } = shippedOn(84_532)!;
  const absent = await readContracts(chain).catch((error) => error);
  assert.match(absent.message, /does not stand on Base Sepolia \(chain 84532\) yet/);
  assert.match(
    absent.hints[0],
    /anyone can put it there, for the gas: khachapuri contracts deploy/,
  );
  // Circle's code, brought to Circle's address.
  const copied = await deployUsdc(chain, deployer, usdc.name);
  await copyAccount(chain, copied, usdc.address);
  const terms = { usdc: usdc.address, thawingPeriodSeconds: 86_400n };
  assert.deepEqual(await deployEscrow(chain, stranger, terms), { address: escrow, isNew: true });
  assert.equal(keccak256((await chain.public.getCode({ address: escrow }))!), codeHash);
  assert.equal((await readContracts(chain)).escrow, escrow);
});

Deno.test("a token that signs by another domain than it says, or than is known, is not signed for", async () => {
  await using anvil = await startAnvil({ chainId: 84_532 });
  const chain = await connect(anvil.url);
  const { usdc } = shippedOn(84_532)!;
  const named = await deployUsdc(chain, deployer, "USD Coin");
  assert.equal((await usdcDomain(chain, named)).name, "USD Coin", "any token may be named so");
  await copyAccount(chain, named, usdc.address);
  await assert.rejects(usdcDomain(chain, usdc.address), {
    code: "invalid_config",
    message: /signs by another EIP-712 domain/,
  });
});

/** Moves a proxy with its storage: code, and the slots that USDC and its proxy use. */
async function copyAccount(chain: Chain, from: Address, to: Address): Promise<void> {
  await setCode(chain, to, (await chain.public.getCode({ address: from }))!);
  const request = chain.public.request as (call: unknown) => Promise<unknown>;
  const slots = [
    ...Array.from({ length: 24 }, (_, slot) => numberToHex(slot, { size: 32 })),
    "0x7050c9e0f4ca769c69bd3a8ef740bc37934f8e2c036e5a723fd8ee048ed3f8c3",
    "0x10d6a54a4754c8869d6886b5f5d7fbfa5b4522237ea5c60d11bc4e7a1ff9390b",
  ] as const;
  for (const slot of slots) {
    const value = await chain.public.getStorageAt({ address: from, slot });
    await request({ method: "anvil_setStorageAt", params: [to, slot, value] });
  }
}

Deno.test("a chain of one's own: USDC, escrow, names, and a deposit, by commands alone", async () => {
  await using anvil = await startAnvil();
  const config = { rpc: anvil.url };
  await using home = await openHome(config, { "keys.json": generatePrivateKey() });
  const deployed = await home.run("contracts", "deploy", "--with-usdc", "--json");
  assert.equal(deployed.code, 0, deployed.err);
  const { escrow, usdc, registry, isNew } = deployed.json;
  assert.equal(isNew, true);
  const written = JSON.parse(await Deno.readTextFile(`${home.dir}/config.json`));
  assert.deepEqual(written.contracts, { "31337": { escrow, registry } });

  const again = await home.run("contracts", "deploy", "--usdc", usdc, "--json");
  assert.deepEqual([again.code, again.json.escrow, again.json.isNew], [0, escrow, false]);
  const twice = await home.run("contracts", "deploy", "--with-usdc");
  assert.deepEqual([twice.code, /another escrow.*--replace/s.test(twice.err)], [3, true]);

  const deposited = await home.run("deposit", "5", "--json");
  assert.equal(deposited.code, 0, deposited.err);
  assert.equal(deposited.json.free, "5000000");
  const minted = await home.run("contracts", "mint", "7", "--to", payer.address);
  assert.equal(minted.code, 0, minted.err);
  const balance = await home.run("balance", "--of", payer.address, "--json");
  assert.equal(balance.json.wallet, "7000000");

  const told = await home.run("contracts", "address", "--usdc", usdc, "--json");
  assert.deepEqual([told.json.escrow, told.json.stands], [escrow, true]);
  const { address: owner } = JSON.parse((await home.run("balance", "--json")).out);
  const owned = await home.run("contracts", "address", "--usdc", usdc, "--root-owner", owner);
  assert.match(owned.out, new RegExp(`registry +${registry}, stands`));
  const offline = await home.run("contracts", "address", "--chain", "8453", "--json");
  const base = shippedOn(8453)!;
  const { codeHash } = offline.json;
  assert.deepEqual([offline.json.escrow, codeHash], [base.escrow, base.codeHash]);
});

Deno.test("an entry of an earlier release in config.json is refused by name, with what to do", async () => {
  await using anvil = await startAnvil();
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, deployer);
  const old = "0x00000000000000000000000000000000000dEaD1";
  await setCode(chain, old, "0x6080604052");
  const config = { rpc: anvil.url, contracts: { "31337": { escrow: old, usdc } } };
  await using home = await openHome(config, { "keys.json": privateKeyOf(payer) });
  for (const command of [["balance"], ["deposit", "1"], ["allowance", payer.address]]) {
    const { code, err } = await home.run(...command);
    assert.equal(code, 3, command[0]);
    assert.match(err, /is not this release's escrow/);
    assert.match(err, /contracts deploy --replace/);
  }
  assert.ok(await chain.public.getBalance({ address: payer.address }) > parseEther("1"));
  const replaced = await home.run("contracts", "deploy", "--usdc", usdc, "--replace", "--json");
  assert.equal(replaced.code, 0, replaced.err);
  assert.equal((await home.run("balance")).code, 0);
});

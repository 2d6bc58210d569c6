/** Contracts at their computed addresses, on real chains of different ids. */
import assert from "node:assert/strict";
import {
  type Address,
  concat,
  getContractAddress,
  type Hex,
  keccak256,
  numberToHex,
  pad,
  parseEther,
} from "viem";
import { escrowAbi } from "../lib/chain/abi.ts";
import { deployUsdc } from "../lib/chain/circle_usdc.ts";
import { type Chain, connect } from "../lib/chain/client.ts";
import { readContracts } from "../lib/chain/contracts.ts";
import { contentResolverAddress, contentResolverCode } from "../lib/chain/content_resolver.ts";
import { CREATE2_FACTORY } from "../lib/chain/create2.ts";
import {
  deployContentResolver,
  deployEscrow,
  deployRegistry,
  registryAddress,
} from "../lib/chain/deploy.ts";
import { shippedOn } from "../lib/chain/deployments.ts";
import { readBalance } from "../lib/chain/escrow.ts";
import { escrowAddress, escrowCode } from "../lib/chain/escrow_code.ts";
import { usdcDomain } from "../lib/chain/usdc.ts";
import { startAnvil } from "../worlds/chain/anvil.ts";
import { ACCOUNTS } from "../worlds/chain/people.ts";
import { turn } from "../worlds/turns.ts";

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
    const contents = await deployContentResolver(chain, stranger, registry.address);
    assert.deepEqual(contents, { address: contentResolverAddress(registry.address), isNew: true });
    const code = await chain.public.getCode({ address: contents.address });
    assert.equal(code, contentResolverCode(registry.address));
    const contentsAgain = await deployContentResolver(chain, deployer, registry.address);
    assert.deepEqual(contentsAgain, { ...contents, isNew: false });
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
});

Deno.test("who deploys at the same time as somebody else finds it standing", async () => {
  await using anvil = await startAnvil();
  const [here, there] = [await connect(anvil.url), await connect(anvil.url)];
  const usdc = await deployUsdc(here, deployer);
  // Both are sent before either is mined.
  const request = here.public.request as (call: unknown) => Promise<unknown>;
  await request({ method: "evm_setIntervalMining", params: [1] });
  const terms = { usdc, thawingPeriodSeconds: 3_600n };
  const placed = await Promise.all([
    deployEscrow(here, stranger, terms),
    deployEscrow(there, payer, terms),
  ]);
  assert.deepEqual(placed.map(({ address }) => address), Array(2).fill(escrowAddress(terms)));
  assert.deepEqual(placed.map(({ isNew }) => isNew).sort(), [false, true]);
});

Deno.test("who deploys what somebody else's transaction is about to waits until it stands", async () => {
  await using anvil = await startAnvil();
  const [here, there] = [await connect(anvil.url), await connect(anvil.url)];
  const usdc = await deployUsdc(here, deployer);
  const request = here.public.request as (call: unknown) => Promise<unknown>;
  await request({ method: "evm_setAutomine", params: [false] });
  const terms = { usdc, thawingPeriodSeconds: 3_600n };
  const address = escrowAddress(terms);
  const first = deployEscrow(here, stranger, terms);
  while (!await here.public.getCode({ address, blockTag: "pending" })) await turn();
  const second = deployEscrow(there, payer, terms);
  await request({ method: "evm_setIntervalMining", params: [1] });
  assert.deepEqual(await first, { address, isNew: true });
  assert.deepEqual(await second, { address, isNew: false });
});

Deno.test("where the factory is missing the way to put it there is told, and works", async () => {
  await using anvil = await startAnvil();
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, deployer);
  const terms = { usdc, thawingPeriodSeconds: 3_600n };
  const factoryCode = await chain.public.getCode({ address: CREATE2_FACTORY });
  await setCode(chain, CREATE2_FACTORY, "0x");
  const absent = await deployEscrow(chain, deployer, terms).catch((error) => error);
  assert.equal(absent.code, "invalid_config");
  assert.match(absent.message, /lacks the CREATE2 factory/);
  const [, steps, serializedTransaction] = absent.hints;
  const [, coin, signer] = /send ([\d.]+) of the chain's coin to (0x\w+)/.exec(steps)!;
  const request = chain.public.request as (call: unknown) => Promise<unknown>;
  await request({
    method: "anvil_setBalance",
    params: [signer, numberToHex(parseEther(coin!))],
  });
  const hash = await chain.public.sendRawTransaction({ serializedTransaction });
  await chain.public.waitForTransactionReceipt({ hash, pollingInterval: 20 });
  assert.equal(await chain.public.getCode({ address: CREATE2_FACTORY }), factoryCode);
  assert.equal((await deployEscrow(chain, deployer, terms)).isNew, true);
});

Deno.test("the escrow's own code with balances written before it is refused", async () => {
  await using anvil = await startAnvil();
  const chain = await connect(anvil.url);
  const usdc = await deployUsdc(chain, deployer);
  const thief = stranger;
  const nonce = await chain.public.getTransactionCount({ address: thief.address });
  const escrow = getContractAddress({ from: thief.address, nonce: BigInt(nonce) });
  const terms = { usdc, thawingPeriodSeconds: 86_400n };
  const code = escrowCode(terms, { chainId: chain.chainId, escrow });
  const bytecode = creationWith(await balanceSlot(chain, terms, thief.address), 10n ** 12n, code);
  assert.equal(await chain.deploy(thief, { abi: escrowAbi as never, bytecode }), escrow);
  assert.equal(await chain.public.getCode({ address: escrow }), code);
  assert.equal(await readBalance(chain, escrow, thief.address), 10n ** 12n);
  await assert.rejects(readContracts(chain, { escrow }), {
    code: "invalid_config",
    message: /is not this release's escrow/,
  });
});

/** Where the escrow keeps somebody's free balance: the first slot that shows when it is set. */
async function balanceSlot(
  chain: Chain,
  terms: { usdc: Address; thawingPeriodSeconds: bigint },
  whose: Address,
): Promise<Hex> {
  const { address: escrow } = await deployEscrow(chain, deployer, terms);
  const request = chain.public.request as (call: unknown) => Promise<unknown>;
  for (let base = 0; base < 16; base++) {
    const slot = keccak256(concat([pad(whose), numberToHex(base, { size: 32 })]));
    const set = (value: bigint) =>
      request({
        method: "anvil_setStorageAt",
        params: [escrow, slot, numberToHex(value, { size: 32 })],
      });
    await set(1n);
    if (await readBalance(chain, escrow, whose) === 1n) return slot;
    await set(0n);
  }
  throw new Error("no slot is the balance's");
}

/** Creation code that writes one slot and leaves `code` behind. */
function creationWith(slot: Hex, value: bigint, code: Hex): Hex {
  const size = numberToHex((code.length - 2) / 2, { size: 2 });
  const push32 = "0x7f";
  const stores = concat([push32, numberToHex(value, { size: 32 }), push32, slot, "0x55"]);
  // CODECOPY(0, start, size) RETURN(0, size), the code right behind.
  const start = numberToHex((stores.length - 2) / 2 + 14, { size: 2 });
  const copies = concat(["0x61", size, "0x61", start, "0x5f39", "0x61", size, "0x5ff3"]);
  assert.equal((copies.length - 2) / 2, 13);
  return concat([stores, copies, "0x00", code]);
}

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
  await refused({ escrow, usdc: payer.address }, /holds 0x\w+, and config.json names 0x7099/);
  await refused({ escrow, registry: payer.address }, /no contract at the registry/);
  assert.equal((await readContracts(chain, { escrow, registry: usdc })).registry, usdc);
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
  // An escrow of another token than Circle's is used only where the configuration wants that.
  const { address: other } = await deployEscrow(chain, stranger, { ...terms, usdc: copied });
  await assert.rejects(readContracts(chain, { escrow: other }), {
    code: "invalid_config",
    message: /holds 0x\w+, and Circle's USDC is 0x036C/,
  });
  assert.equal((await readContracts(chain, { escrow: other, usdc: copied })).usdc, copied);
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

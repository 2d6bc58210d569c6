import assert from "node:assert/strict";
import { type Address, type Hex, zeroAddress } from "viem";
import { clientLane } from "../lib/chain/lane.ts";
import * as payerCalls from "../lib/chain/escrow.ts";
import { escrowCall } from "../lib/chain/escrow_call.ts";
import * as providerCalls from "../lib/chain/escrow_provider.ts";
import {
  formatUsdc,
  readUsdcBalance,
  signReceiveAuthorization,
  usdcDomain,
} from "../lib/chain/usdc.ts";
import { KhachapuriError } from "../lib/errors.ts";
import { type Permit, signPermit, UINT64_MAX } from "../lib/permit.ts";
import { passTime } from "../worlds/chain/anvil_calls.ts";
import { type EscrowChain, PRICE, startEscrowChain } from "../worlds/chain/escrow_chain.ts";
import { blacklist } from "../worlds/chain/usdc.ts";

const { DEPOSIT_AND_ALLOW_TYPEHASH } = payerCalls;
const { allow, deposit, depositAndAllow, depositAndAllowNonce, readAllowance } = payerCalls;
const { readBalance, readConsumed, reclaim, revoke, thawingPeriod, withdraw } = payerCalls;
const { collect, consume, consumeBatch, earned, isOperator, NEVER, setOperator } = providerCalls;

function refusal(reason: string, message: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof KhachapuriError, String(error));
    assert.equal(error.code, "chain_refused");
    assert.equal(error.data["reason"], reason);
    assert.match(error.message, message);
    return true;
  };
}

async function permitOf(world: EscrowChain, credits: bigint, lane?: Hex): Promise<Permit> {
  const { chain, escrow, accounts: { payer, provider } } = world;
  const parties = { payer: payer.address, provider: provider.address };
  const terms = {
    lane: lane ?? clientLane(payer.address),
    price: PRICE,
    deadline: UINT64_MAX,
    epoch: 0,
  };
  const domain = { chainId: chain.chainId, escrow };
  return await signPermit(payer, domain, { ...parties, ...terms, credits });
}

async function depositAndAllowHundred(world: EscrowChain): Promise<void> {
  const { chain, escrow, usdc, accounts: { payer, provider } } = world;
  await deposit(chain, payer, escrow, usdc, 5_000_000n);
  await allow(chain, payer, escrow, {
    provider: provider.address,
    pricePerCredit: PRICE,
    credits: 100n,
  });
}

Deno.test("money goes deposit, allow, consume, collect, and no unit is lost", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc, accounts: { payer, provider, operator } } = world;
  await depositAndAllowHundred(world);
  assert.equal(await readBalance(chain, escrow, payer.address), 4_900_000n);
  const allowance = await readAllowance(chain, escrow, payer.address, provider.address);
  assert.deepEqual(allowance, {
    pricePerCredit: PRICE,
    credits: 100n,
    thawingCredits: 0n,
    thawEnd: 0n,
    signer: zeroAddress,
    epoch: 0,
    epochEnd: 0n,
  });
  await setOperator(chain, provider, escrow, operator.address, { expiry: NEVER, dailyCap: 0n });
  assert.equal(await isOperator(chain, escrow, provider.address, operator.address), true);
  const permit = await permitOf(world, 10n);
  await consume(chain, operator, escrow, PRICE, permit);
  await consumeBatch(chain, operator, escrow, [{ permit, credits: 10n, price: PRICE }]);
  const { lane } = permit;
  assert.equal(await readConsumed(chain, escrow, payer.address, provider.address, lane), 10n);
  assert.equal(await earned(chain, escrow, provider.address), 10_000n);
  await collect(chain, provider, escrow, provider.address);
  assert.equal(await readUsdcBalance(chain, usdc, provider.address), 10_000n);
  assert.equal(await readUsdcBalance(chain, usdc, escrow), 4_990_000n);
});

Deno.test("revoked credits come back after the thawing period and not before", async () => {
  await using world = await startEscrowChain({ thawingSeconds: 3_600n });
  const { chain, escrow, usdc, accounts: { payer, provider } } = world;
  await depositAndAllowHundred(world);
  assert.equal(await thawingPeriod(chain, escrow), 3_600n);
  await revoke(chain, payer, escrow, provider.address, 40n);
  const thawing = await readAllowance(chain, escrow, payer.address, provider.address);
  assert.equal(thawing.thawingCredits, 40n);
  await assert.rejects(
    reclaim(chain, payer, escrow, provider.address),
    refusal("StillThawing", /the credits thaw until 20\d\d-/),
  );
  await passTime(chain, 3_601n);
  await reclaim(chain, payer, escrow, provider.address);
  assert.equal(await readBalance(chain, escrow, payer.address), 4_940_000n);
  await withdraw(chain, payer, escrow, 4_940_000n, payer.address);
  assert.equal(await readUsdcBalance(chain, usdc, payer.address), 99_940_000n);
});

Deno.test("what the escrow refuses is said in words, with the error's name", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc, accounts: { payer, provider, stranger, operator } } = world;
  await depositAndAllowHundred(world);
  const terms = { provider: provider.address, pricePerCredit: PRICE, credits: 10_000n };
  const permit = await permitOf(world, 1n);
  const forged = { ...permit, credits: 2n };
  const late = await signPermit(payer, { chainId: chain.chainId, escrow }, {
    ...permit,
    deadline: 1n,
  });
  const cases: [() => Promise<unknown>, string, RegExp][] = [
    [
      () => allow(chain, payer, escrow, terms),
      "InsufficientBalance",
      /^InsufficientBalance: you have 4.9 USDC free, need 9.9$/,
    ],
    [
      () => allow(chain, payer, escrow, { ...terms, credits: 0n }),
      "ZeroCredits",
      /no credits to give/,
    ],
    [
      () => allow(chain, payer, escrow, { ...terms, credits: 5n }),
      "AllowanceDecrease",
      /100 credits at 0.001 USDC .* revoke/,
    ],
    [
      () => allow(chain, payer, escrow, { ...terms, credits: 101n, signer: stranger.address }),
      "SignerLocked",
      /stays the payer itself; revoke/,
    ],
    [
      () => allow(chain, payer, escrow, { ...terms, provider: zeroAddress }),
      "InvalidProvider",
      /zero address/,
    ],
    [() => withdraw(chain, payer, escrow, 5_000_000n, payer.address), "InsufficientBalance", /4.9/],
    [() => withdraw(chain, payer, escrow, 1n, escrow), "InvalidRecipient", /lost/],
    [() => reclaim(chain, payer, escrow, provider.address), "NothingThawing", /no credits/],
    [() => consume(chain, stranger, escrow, PRICE, permit), "NotOperator", /may not settle/],
    [() => consume(chain, provider, escrow, PRICE + 1n, permit), "PriceTooHigh", /above/],
    [() => consume(chain, provider, escrow, PRICE, forged), "InvalidSignature", /not signed/],
    [() => consume(chain, provider, escrow, PRICE, late), "PermitExpired", /deadline/],
    [
      () => deposit(chain, stranger, escrow, usdc, 1n),
      "InsufficientUsdc",
      /holds 0 USDC, needs 0.000001/,
    ],
  ];
  for (const [call, reason, message] of cases) {
    await assert.rejects(call, refusal(reason, message));
  }
  await consume(chain, provider, escrow, PRICE, permit);
  await assert.rejects(
    consume(chain, provider, escrow, PRICE, permit),
    refusal("PermitExceeded", /no credits left/),
  );
  assert.equal(await readBalance(chain, escrow, operator.address), 0n);
});

Deno.test("USDC's own refusals come through as it words them", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc, accounts: { deployer, payer } } = world;
  await blacklist(chain, deployer, usdc, payer.address);
  await assert.rejects(deposit(chain, payer, escrow, usdc, 1n), (error) => {
    return error instanceof KhachapuriError && /account is blacklisted/.test(error.message);
  });
});

Deno.test("deposit() refuses an escrow that holds another token", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, accounts: { payer } } = world;
  await assert.rejects(deposit(chain, payer, escrow, escrow, 1n), /holds 0x.*, not USDC at 0x/);
});

Deno.test("a payer without ETH deposits and allows by one signature", async () => {
  await using world = await startEscrowChain();
  const { chain, escrow, usdc, accounts: { payer, provider, operator } } = world;
  const unsigned = {
    amount: 2_000_000n,
    validAfter: 0n,
    validBefore: UINT64_MAX,
    pricePerCredit: PRICE,
    credits: 1_500n,
    signer: zeroAddress as Address,
    salt: `0x${"07".repeat(32)}` as Hex,
  };
  const parties = [payer.address, provider.address] as const;
  const nonce = depositAndAllowNonce(...parties, unsigned);
  const typehash = escrowCall(escrow, "DEPOSIT_AND_ALLOW_TYPEHASH", []);
  assert.equal(await chain.read(typehash), DEPOSIT_AND_ALLOW_TYPEHASH);
  const signature = await signReceiveAuthorization(payer, await usdcDomain(chain, usdc), {
    from: payer.address,
    to: escrow,
    value: unsigned.amount,
    validAfter: unsigned.validAfter,
    validBefore: unsigned.validBefore,
    nonce,
  });
  const signed = { ...unsigned, signature };
  const stripped = { ...signed, credits: 1n };
  await assert.rejects(
    depositAndAllow(chain, operator, escrow, ...parties, stripped),
    (error) => error instanceof KhachapuriError && error.code === "chain_refused",
  );
  await depositAndAllow(chain, operator, escrow, ...parties, signed);
  assert.equal(formatUsdc(await readBalance(chain, escrow, payer.address)), "0.5");
  assert.equal((await readAllowance(chain, escrow, ...parties)).credits, 1_500n);
});

import assert from "node:assert/strict";
import { firstSteps, fundingSteps, type Means } from "./funding.ts";

const address = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const NOTHING = { credits: 0n, pricePerCredit: 0n, thawingCredits: 0n, thawEnd: 0n };
const WANTED = {
  name: "paolo.eth",
  price: 1_000n,
  credits: 100n,
  depositMinimum: 250_000n,
  held: NOTHING,
};
const steps = (means: Partial<Means>, wanted = {}) =>
  fundingSteps({ address, coin: 0n, wallet: 0n, free: 0n, ...means }, { ...WANTED, ...wanted });

Deno.test("who has gas is told to deposit what is lacking, and to allow", () => {
  const [coin, wallet] = [1n, 5_000_000n];
  const allow = "khachapuri allow paolo.eth --credits 100";
  assert.deepEqual(steps({ coin, wallet }), ["khachapuri deposit 0.1", allow]);
  assert.deepEqual(steps({ coin, wallet, free: 60_000n }), ["khachapuri deposit 0.04", allow]);
  assert.deepEqual(steps({ coin, free: 100_000n }), [allow]);
  assert.deepEqual(steps({ coin }), [`${address} needs 0.1 USDC in its wallet`]);
});

Deno.test("who has no gas is told only what a provider sends", () => {
  const onboard = "khachapuri onboard paolo.eth --amount 0.25";
  assert.deepEqual(steps({ wallet: 250_000n }), [`without ETH: ${onboard}`]);
  assert.deepEqual(steps({ wallet: 9_000_000n }, { credits: 1_000n }), [
    "without ETH: khachapuri onboard paolo.eth --amount 1",
  ]);
  assert.deepEqual(steps({ free: 9_000_000n }), [
    "without ETH: khachapuri withdraw all --relay paolo.eth",
    `then: ${onboard}`,
  ]);
  assert.deepEqual(steps({ wallet: 50_000n }), [
    `send ${address} 0.2 USDC; it needs no ETH`,
    `then: ${onboard}`,
  ]);
  const relaysNothing = { depositMinimum: null };
  const poor = `${address} has no ETH for gas, and paolo.eth relays no deposits: send it some`;
  assert.deepEqual(steps({ wallet: 9_000_000n }, relaysNothing), [poor]);
  assert.deepEqual(steps({ wallet: 40_000n, free: 10_000n }, relaysNothing), [
    `${poor}, and 0.05 USDC`,
  ]);
});

Deno.test("what stands can only rise, and what it locks need not be found again", () => {
  const held = { ...NOTHING, credits: 2_000n, pricePerCredit: 1_000n, thawingCredits: 2_000n };
  assert.deepEqual(steps({ coin: 1n }, { held }), ["khachapuri allow paolo.eth --credits 2000"]);
  const dearer = { ...held, pricePerCredit: 3_000n };
  assert.deepEqual(steps({ coin: 1n }, { held: dearer }), [
    "khachapuri allow paolo.eth --credits 2000 --price 0.003",
  ]);
  assert.deepEqual(steps({ wallet: 250_000n }, { held }), [
    "without ETH: khachapuri onboard paolo.eth --amount 0.25 --credits 2250",
  ]);
});

Deno.test("before a provider is named, what an account holds says which command is first", () => {
  const first = (means: Partial<Means>) =>
    firstSteps({ address, coin: 0n, wallet: 0n, free: 0n, ...means });
  const allow = "khachapuri allow NAME --credits N";
  const onboard = "khachapuri onboard NAME --amount USDC";
  assert.deepEqual(first({ coin: 1n, wallet: 1n, free: 1n }), [allow]);
  assert.deepEqual(first({ coin: 1n, wallet: 1n }), ["khachapuri deposit USDC", allow]);
  assert.match(first({ coin: 1n })[0]!, new RegExp(`^send ${address} USDC .* deposit USDC$`));
  assert.deepEqual(first({ wallet: 1n, free: 1n }), [
    `without ETH, where NAME relays deposits: ${onboard}`,
  ]);
  assert.deepEqual(first({ free: 1n }), [
    "without ETH: khachapuri withdraw all --relay NAME",
    `then: ${onboard}`,
  ]);
  assert.match(first({})[0]!, new RegExp(`^send ${address} USDC .*no ETH.* ${onboard}$`));
});

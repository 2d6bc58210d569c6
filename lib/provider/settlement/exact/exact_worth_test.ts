import assert from "node:assert/strict";
import { EXACT_GAS, ExactWorth } from "./exact_worth.ts";

const GWEI = 10n ** 9n;
/** A coin of 10 USDC. */
const COIN = 10_000_000n;

function worthAt(coinPrice = COIN) {
  const scene = { price: GWEI, isDown: false, asked: 0, nowMs: 0 };
  const operator = {
    gasPrice() {
      scene.asked += 1;
      return scene.isDown ? Promise.reject(new Error("down")) : Promise.resolve(scene.price);
    },
  };
  return { scene, worth: new ExactWorth(operator, coinPrice, () => scene.nowMs) };
}

/** 95,000 gas at 1 gwei and 10 USDC a coin. */
const COST = EXACT_GAS * GWEI * COIN / 10n ** 18n;

Deno.test("a payment is worth its gas when it brings more", async () => {
  const { worth } = worthAt();
  assert.equal(worth.isWorth(10n ** 12n), false, "nobody knows what gas costs yet");
  assert.equal(await worth.cost(), COST);
  assert.deepEqual([COST, COST + 1n].map((amount) => worth.isWorth(amount)), [false, true]);
});

Deno.test("the price is asked for again when it is old, in the background", async () => {
  const { scene, worth } = worthAt();
  scene.nowMs = 10_000;
  await worth.cost();
  scene.price = 1_000n * GWEI;
  scene.nowMs = 24_999;
  assert.ok(worth.isWorth(COST + 1n));
  assert.equal(scene.asked, 1);
  scene.nowMs = 25_000;
  assert.ok(worth.isWorth(COST + 1n), "an offer waits for nobody");
  await Promise.resolve();
  await Promise.resolve();
  assert.equal(scene.asked, 2);
  assert.ok(!worth.isWorth(COST + 1n));
});

Deno.test("an endpoint that is down leaves what was known", async () => {
  const { scene, worth } = worthAt();
  scene.isDown = true;
  await assert.rejects(worth.cost());
  assert.equal(worth.isWorth(10n ** 12n), false);
  scene.isDown = false;
  await worth.cost();
  scene.isDown = true;
  scene.nowMs = 60_000;
  assert.ok(worth.isWorth(COST + 1n));
});

Deno.test("where gas costs nothing nobody asks for its price", async () => {
  const { scene, worth } = worthAt(0n);
  assert.equal(await worth.cost(), 0n);
  assert.deepEqual([scene.asked, worth.isWorth(1n), worth.isWorth(0n)], [0, true, false]);
});

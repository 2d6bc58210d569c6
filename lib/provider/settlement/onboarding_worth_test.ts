/** Which deposits are worth their relay, and whose. */
import assert from "node:assert/strict";
import type { LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { allowanceOf } from "../../../worlds/chain/escrow_answers.ts";
import {
  ANNA,
  BERT,
  CARL,
  depositOf,
  GWEI,
  MINED,
  openDesk,
  PRICE,
  required,
  turn,
  TX,
} from "../../../worlds/chain/onboarding_desk.ts";
import type { DepositOptions } from "../../chain/onboarding.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NETWORK_RELAYS_BURST_MAX,
  RELAY_LOOKS_BURST_MAX,
  RELAY_TRIES_BURST_MAX,
} from "../../limits.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

Deno.test("what a deposit locks anew, out of its own amount, is what it is relayed for", async () => {
  const desk = openDesk({ perMinute: 100 });
  // Held: 300 credits at 0.001 USDC.
  desk.answers.allowance = allowanceOf(300n, PRICE);
  const asks = async (changes: Partial<DepositOptions>) =>
    await desk.relay(ANNA, await depositOf(ANNA, changes));
  const little = required(/locks at least 0\.1 USDC more than before/);
  // The same again, from which nothing is taken; then almost enough, by credits and by price.
  await assert.rejects(asks({ amount: 100_000n, credits: 300n }), little);
  await assert.rejects(asks({ credits: 399n }), little);
  await assert.rejects(asks({ credits: 300n, pricePerCredit: PRICE + 333n }), little);
  // Less than is held: the escrow refuses that, and we do before.
  await assert.rejects(asks({ credits: 200n }), little);
  // Enough, but out of money that is in the escrow, and may have been locked here before.
  for (const amount of [0n, 99_999n]) await assert.rejects(asks({ amount, credits: 500n }), little);
  assert.deepEqual([desk.asked.tries, desk.sent.length], [0, 0]);
  assert.equal(await asks({ amount: 100_000n, credits: 400n }), TX);
});

Deno.test("a payer has one deposit relayed a day, whatever it revoked and whatever was restarted", async () => {
  const desk = openDesk({ perMinute: 100 });
  await desk.relay(ANNA, await depositOf());
  // It has taken everything back: all that the next one brings would be new.
  desk.restart();
  const again = await depositOf(ANNA, { lifetimeSeconds: 2n * 86_400n });
  desk.now += DAY_MS - 10_000;
  const isLimited = {
    code: "rate_limited",
    message: "one deposit of a payer is relayed here a day",
    retryAfterSeconds: 10,
  };
  const { means } = desk.asked;
  await assert.rejects(desk.relay(ANNA, again), isLimited);
  assert.equal(desk.asked.means, means, "the chain is asked nothing for it");
  desk.now += 10_000;
  assert.equal(await desk.relay(ANNA, again), TX);
});

Deno.test("what was mined and reverted was the day's one, what was not sent was not", async () => {
  const desk = openDesk({ perMinute: 100 });
  desk.mine = () => Promise.reject(new KhachapuriError("chain_refused", "not any more"));
  await assert.rejects(desk.relay(ANNA, await depositOf()), { code: "payment_required" });
  desk.mine = () => Promise.resolve({ ...MINED, status: "reverted" });
  await assert.rejects(desk.relay(ANNA, await depositOf()), required(/mined but reverted/));
  await assert.rejects(desk.relay(ANNA, await depositOf()), { code: "rate_limited" });
});

Deno.test("who has no money is told after one question, and is in nobody's way", async () => {
  const desk = openDesk();
  desk.answers.balance = 499_999n;
  const why = required(/^the payer holds 0\.499999 USDC, the deposit takes 0\.5$/);
  const strangers = Array.from(
    { length: RELAY_TRIES_BURST_MAX + 10 },
    () => privateKeyToAccount(generatePrivateKey()),
  );
  for (const poor of strangers) await assert.rejects(desk.relay(poor, await depositOf(poor)), why);
  assert.deepEqual([desk.asked.means, desk.asked.tries], [strangers.length, 0]);
  desk.answers.isMined = true;
  desk.answers.balance = 500_000n;
  await assert.rejects(desk.relay(ANNA, await depositOf()), required(/mined before/));
  desk.answers.isMined = false;
  assert.equal(await desk.relay(ANNA, await depositOf()), TX);
  assert.equal(desk.asked.tries, 1);
});

Deno.test("the chain is asked for so many, and one network's signatures are no more than checked", async () => {
  const desk = openDesk({ perMinute: 10_000 });
  desk.answers.balance = 0n;
  const good = await depositOf();
  const poor = required(/the payer holds/);
  for (let i = 0; i < NETWORK_RELAYS_BURST_MAX; i++) {
    await assert.rejects(desk.relay(ANNA, good, "192.0.2.7"), poor);
  }
  const isLimited = { code: "rate_limited", message: /of one network are being tried$/ };
  await assert.rejects(desk.relay(ANNA, good, "192.0.2.7"), isLimited);
  for (let i = NETWORK_RELAYS_BURST_MAX; i < RELAY_LOOKS_BURST_MAX; i++) {
    await assert.rejects(desk.relay(ANNA, good, `198.51.${i}.9`), poor);
  }
  await assert.rejects(desk.relay(BERT, await depositOf(BERT), "203.0.113"), {
    code: "overloaded",
  });
  assert.equal(desk.asked.means, RELAY_LOOKS_BURST_MAX);
});

Deno.test("a deposit locks ten times what its relay costs, and is given gas for a tenth at most", async () => {
  // 140,000 gas at 0.05 gwei are 7e12 wei, 0.028 USDC at 4,000 USDC a coin.
  const desk = openDesk({ coinPrice: 4_000_000_000n, perMinute: 100 });
  desk.gasPrice = GWEI / 20n;
  desk.answers.balance = 1_000_000n;
  const asks = async (account: LocalAccount, locked: bigint) =>
    await desk.relay(
      account,
      await depositOf(account, { amount: locked, credits: locked / PRICE }),
    );
  const little = required(/locks at least 0\.28 USDC more than before for this provider, this one/);
  await assert.rejects(asks(ANNA, 279_000n), little);
  // Of 0.3 that it locks 0.021 would come out of the escrow.
  const mixed = await depositOf(ANNA, { amount: 279_000n, credits: 300n });
  await assert.rejects(desk.relay(ANNA, mixed), little);
  await asks(ANNA, 280_000n);
  // Of what is worth more no more than the configuration allows.
  await asks(BERT, 900_000n);
  assert.deepEqual(desk.sendings, [
    { rank: "relay", costMax: 7_000_000_000_000n },
    { rank: "relay", costMax: 12_500_000_000_000n },
  ]);
  desk.gasPrice = GWEI / 10n;
  await assert.rejects(
    asks(CARL, 1_000_000n),
    required(/^relaying a deposit costs 0\.056 USDC of gas now, this provider pays up to 0\.05$/),
  );
  assert.equal(desk.sent.length, 2);
});

Deno.test("where gas costs nothing nobody asks for its price", async () => {
  const desk = openDesk();
  await desk.relay(ANNA, await depositOf());
  assert.equal(desk.asked.prices, 0);
  assert.deepEqual(desk.sendings, [{ rank: "relay", costMax: null }]);
});

Deno.test("an offer follows the price of gas, and waits for nobody", async () => {
  const desk = openDesk({ coinPrice: 4_000_000_000n });
  assert.equal(desk.minimum(), null, "nobody knows yet");
  await desk.prepare();
  assert.equal(desk.minimum(), 100_000n, "0.0056 USDC a relay: the configured one is more");
  desk.gasPrice = GWEI / 20n;
  assert.equal(desk.minimum(), 100_000n);
  const { prices } = desk.asked;
  desk.now += 15_000;
  assert.equal(desk.minimum(), 100_000n, "asked in the background");
  assert.equal(desk.asked.prices, prices + 1);
  await turn();
  assert.equal(desk.minimum(), 280_000n);
  desk.gasPrice = GWEI;
  desk.now += 15_000;
  desk.minimum();
  await turn();
  assert.equal(desk.minimum(), null, "too dear");
  const closed = openDesk({ enabled: false, coinPrice: 4_000_000_000n });
  await closed.prepare();
  assert.equal(closed.minimum(), null);
  assert.equal(closed.asked.prices, 0);
  const free = openDesk();
  await free.prepare();
  assert.equal(free.minimum(), 100_000n);
});

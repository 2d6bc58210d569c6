/**
 * One purchase in hand: (I1) nothing is told before the money came, (I2) one answer is written down
 * for it, (I3) what is released is free for the same again once it is known how its payment ends.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Address, getAddress, pad } from "viem";
import { makeFolder } from "../../../../worlds/home.ts";
import type { Order, Purchase } from "../../ledger/purchase_rows.ts";
import { Purchases } from "../../ledger/purchases.ts";
import { ExactHold } from "./hold.ts";

const at = (hex: Address) => getAddress(pad(hex, { size: 20 }));
const [ANNA, PROVIDER, USDC] = [at("0xa1"), at("0x9"), at("0xc0")];
const TX = pad("0x7a");
const ORDER: Order = {
  authorization: {
    from: ANNA,
    to: PROVIDER,
    value: 10n,
    validAfter: 0n,
    validBefore: 1_000n,
    nonce: pad("0x1"),
  },
  signature: "0x51",
  cid: "bafkreidtfmd5zdgkztp6mgd2xgfqidlhmhamhkcgyxee3jvbpsrtwotasa" as Order["cid"],
  request: new Uint8Array([1]),
  key: null,
  block: 1n,
};

interface Scene {
  hold: ExactHold;
  id: number;
  purchases: Purchases;
  /** How often its payment was begun to be settled. */
  settlings: () => number;
  /** The chain tells of the money, or that there is none. */
  comes(): Promise<void>;
  fails(): void;
}

async function withHold(
  use: (scene: Scene) => Promise<void>,
  x402Version: 1 | 2 = 2,
): Promise<void> {
  await using folder = await makeFolder();
  const path = join(folder.dir, "purchases.db");
  const purchases = new Purchases({ path, chainId: 31_337, asset: USDC, now: () => 0 });
  const settled = Promise.withResolvers<Purchase>();
  settled.promise.catch(() => {});
  let settlings = 0;
  const settle = () => {
    settlings += 1;
    return settled.promise.then((purchase) => purchase);
  };
  const ordered = await purchases.order(ORDER, null);
  if (!("purchase" in ordered)) throw new Error("refused");
  const { purchase: { id }, purchase } = ordered;
  const receipts = { pathOf: (reservation: number) => `/receipts/${reservation}` };
  const parts = { chainId: 31_337, purchases, settler: { settle }, receipts, x402Version };
  try {
    await use({
      hold: new ExactHold(parts, purchase),
      id,
      purchases,
      settlings: () => settlings,
      async comes() {
        await purchases.paid(id, TX, { number: 2n, hash: pad("0x2") });
        settled.resolve(purchases.get(id));
      },
      fails: () => settled.reject(new Error("no money")),
    });
  } finally {
    purchases.close();
  }
}

const isOver = (promise: Promise<unknown>) =>
  Promise.race([promise.then(() => true, () => true), Promise.resolve().then(() => false)]);
const isFree = async (purchases: Purchases) => "purchase" in await purchases.order(ORDER, null);

Deno.test("its payment goes out when its program starts, once", () =>
  withHold(async ({ hold, settlings, comes }) => {
    assert.equal(settlings(), 0);
    hold.started();
    await comes();
    await Promise.all([hold.notice(), hold.notice(), hold.charge("answered", null)]);
    assert.equal(settlings(), 1);
  }));

for (const [version, name] of [[1, "X-PAYMENT-RESPONSE"], [2, "PAYMENT-RESPONSE"]] as const) {
  Deno.test(`the head waits for the money, and says so in version ${version}`, () =>
    withHold(async ({ hold, id, comes }) => {
      hold.started();
      const notice = hold.notice();
      assert.equal(await isOver(notice), false);
      await comes();
      const fields = await notice;
      assert.deepEqual(fields.map(([field]) => field), [
        name,
        "Khachapuri-Receipt",
        "access-control-expose-headers",
      ]);
      assert.deepEqual(JSON.parse(atob(fields[0]![1])), {
        success: true,
        transaction: TX,
        network: "eip155:31337",
        payer: ANNA,
        amount: "10",
      });
      assert.equal(fields[1]![1], `/receipts/${-id}`);
      assert.equal(fields[2]![1], `${name}, Khachapuri-Receipt`);
    }, version));
}

Deno.test("an answer is written down once the money came, and its payment is let go", () =>
  withHold(async ({ hold, id, purchases, comes }) => {
    hold.started();
    const charged = hold.charge("failed", null);
    assert.equal(await isOver(charged), false);
    assert.equal(purchases.get(id).outcome, null);
    await comes();
    await charged;
    assert.equal(purchases.get(id).outcome, "failed");
    assert.deepEqual(await purchases.order(ORDER, null), { refusal: { reason: "answered" } });
  }));

Deno.test("whoever is told first has its payment sent", () =>
  withHold(async ({ hold, settlings, comes }) => {
    const notice = hold.notice();
    assert.equal(settlings(), 1);
    await comes();
    await notice;
  }));

Deno.test("money that does not come is nobody's failure until somebody asks", () =>
  withHold(async ({ hold, fails }) => {
    hold.started();
    fails();
    await new Promise((resolve) => setTimeout(resolve, 0));
    await assert.rejects(hold.notice(), /no money/);
  }));

Deno.test("without the money there is no answer, and the same may be sent again", () =>
  withHold(async ({ hold, id, purchases, fails }) => {
    hold.started();
    fails();
    await assert.rejects(hold.notice(), /no money/);
    await assert.rejects(hold.charge("answered", null), /no money/);
    assert.equal(purchases.get(id).outcome, null);
    assert.ok(await isFree(purchases));
  }));

Deno.test("a run that never began lets its payment go at once", () =>
  withHold(async ({ hold, purchases, settlings }) => {
    hold.release();
    assert.equal(settlings(), 0);
    assert.ok(await isFree(purchases));
  }));

for (const end of ["comes", "fails"] as const) {
  Deno.test(`a run that came to nothing holds its payment until the money ${end}`, () =>
    withHold(async (scene) => {
      const { hold, purchases } = scene;
      hold.started();
      hold.release();
      assert.ok(!await isFree(purchases), "two runs for one payment");
      await scene[end]();
      await hold.notice().catch(() => {});
      assert.ok(await isFree(purchases));
    }));
}

Deno.test("it buys one credit's time and no more", () =>
  withHold(async ({ hold }) => {
    assert.equal(hold.credits, 1);
    await assert.rejects(hold.extend(), { code: "payment_required" });
    await hold.begin();
    hold.giveBack();
    assert.equal(hold.credits, 1);
  }));

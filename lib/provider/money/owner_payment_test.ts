import assert from "node:assert/strict";
import { CID, openCreditsDesk, permit, PRICE } from "../../../worlds/chain/credits_desk.ts";
import type { Deployment } from "../deployment/deployment.ts";
import { OwnerPayment } from "./owner_payment.ts";

const FROM = "203.0.113.7";

async function deploymentOf(access = "public"): Promise<Deployment> {
  const spec = { access, limits: { ownerCreditsPerMinute: 60 } };
  return { cid: CID, spec, entry: { permit: await permit() } } as Deployment;
}

Deno.test("an owner is told what a call would cost, and how many it can pay, and pays nothing", async () => {
  await using money = await openCreditsDesk(7n);
  const payment = new OwnerPayment(money.scheme, money.ledger);
  assert.deepEqual(await payment.judge(await deploymentOf(), FROM), {
    price: PRICE,
    creditsLeft: 7n,
  });
  await money.pay(await permit());
  assert.deepEqual(await payment.judge(await deploymentOf(), FROM), {
    price: PRICE,
    creditsLeft: 6n,
  });
  assert.equal(money.ledger.totals().held, 0n);
});

Deno.test("who cannot pay is refused as its callers are", async () => {
  await using money = await openCreditsDesk(0n);
  const payment = new OwnerPayment(money.scheme, money.ledger);
  await assert.rejects(payment.judge(await deploymentOf(), FROM), { code: "payment_required" });
  await assert.rejects(payment.judge(await deploymentOf("payer"), FROM), {
    message: "callers of this deployment pay themselves",
  });
});

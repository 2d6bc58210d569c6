import assert from "node:assert/strict";
import type { Hex } from "viem";
import {
  assertRefused,
  DUE_LANE,
  OFFER,
  openRouteWorld,
  OPERATOR,
  PROVIDER,
  RELAY_OFFER,
  type RouteWorld,
  SELLER,
  STRANGER,
  TRANSACTION,
} from "../../../worlds/routes.ts";
import { messageToJson, type SignedMessage } from "../../chain/payer_message.ts";
import { KhachapuriError } from "../../errors.ts";
import type { LaneProof } from "../../lane_count.ts";
import { type DepositAuthorization, depositToJson } from "../../deposit_authorization.ts";
import { encodePaymentHeader } from "../../payment_header.ts";
import { type Permit, signPermit, UINT64_MAX } from "../../permit.ts";
import { receiptToJson, signReceipt } from "../../receipt.ts";

const PAYER = STRANGER;
const LANE: Hex = `0x${"1a".repeat(32)}`;
const DEPOSIT: DepositAuthorization = {
  amount: 5_000_000n,
  validAfter: 0n,
  validBefore: 2_000_000_000n,
  pricePerCredit: 1_000n,
  credits: 5_000n,
  signer: PAYER.address,
  salt: `0x${"5a".repeat(32)}`,
  signature: `0x${"11".repeat(64)}1b`,
};

const PROOF: LaneProof = {
  credits: 6n,
  price: 1_000n,
  deadline: 9n,
  epoch: 1,
  signature: `0x${"11".repeat(64)}1b`,
};

async function paymentFor(changes: Partial<Permit>): Promise<Record<string, string>> {
  const permit = await signPermit(PAYER, SELLER, {
    payer: PAYER.address,
    provider: SELLER.provider,
    lane: LANE,
    price: SELLER.price,
    credits: 0n,
    deadline: UINT64_MAX,
    epoch: 0,
    ...changes,
  });
  return { "payment-signature": encodePaymentHeader({ accepted: OFFER, permit }) };
}

/** Which permits the credits were asked about. */
function permitsAsked({ parts }: RouteWorld): Permit[] {
  const asked: Permit[] = [];
  parts.money.credits = {
    count(permit) {
      asked.push(permit);
      return Promise.resolve({ id: permit.lane, cumulative: 7n, proof: PROOF });
    },
  };
  return asked;
}

Deno.test("who shows a permit of a lane, if only over no credit, is told how far it is", async () => {
  using world = await openRouteWorld();
  const asked = permitsAsked(world);
  for (const credits of [0n, 100n]) {
    const response = await world.ask("/lane", { headers: await paymentFor({ credits }) });
    assert.equal(response.status, 200);
    const { address: payer } = PAYER;
    assert.deepEqual(await response.json(), {
      payer,
      lane: LANE,
      cumulative: "7",
      proof: { ...PROOF, credits: "6", price: "1000", deadline: "9", epoch: "1" },
    });
  }
  assert.deepEqual(asked.map(({ lane, credits }) => [lane, credits]), [[LANE, 0n], [LANE, 100n]]);
});

Deno.test("what is due on all lanes is told to who shows a permit that pays for nothing", async () => {
  using world = await openRouteWorld();
  permitsAsked(world);
  const asked = await world.ask("/lane", { headers: await paymentFor({ deadline: 0n }) });
  const { due } = await asked.json();
  assert.deepEqual(due, [{ lane: DUE_LANE.lane, settled: "2", amount: "3000" }]);
});

Deno.test("a lane is nobody else's business", async () => {
  using world = await openRouteWorld();
  const asked = permitsAsked(world);
  const headers = [
    {},
    await paymentFor({ provider: STRANGER.address }),
  ];
  for (const each of headers) {
    await assertRefused(world.ask("/lane", { headers: each }), 402, "payment_required");
  }
  const malformed = { "payment-signature": "not base64" };
  await assertRefused(world.ask("/lane", { headers: malformed }), 400, "invalid_input");
  assert.deepEqual(asked, []);
  world.parts.money.credits = {
    count: () => Promise.reject(new KhachapuriError("payment_required", "not the payer's")),
  };
  await assertRefused(
    world.ask("/lane", { headers: await paymentFor({}) }),
    402,
    "payment_required",
  );
});

Deno.test("a payer's signed deposit is relayed without a call", async () => {
  using world = await openRouteWorld();
  const deposits: unknown[] = [];
  const { relay } = world.parts.money.onboarding;
  world.parts.money.onboarding = {
    relay(payer, deposit) {
      deposits.push(deposit);
      return relay(payer, deposit);
    },
  };
  const payer = PAYER.address;
  const response = await world.post("/onboard", { payer, deposit: depositToJson(DEPOSIT) });
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { payer, transaction: TRANSACTION });
  assert.deepEqual(world.asked, [`relay ${payer}`]);
  assert.deepEqual(deposits, [DEPOSIT]);
});

Deno.test("a malformed deposit goes nowhere", async () => {
  using world = await openRouteWorld();
  const payer = PAYER.address;
  const deposit = depositToJson(DEPOSIT);
  const bodies = [
    {},
    { payer },
    { payer: "0x00", deposit },
    { payer, deposit: { ...deposit, amount: -1 } },
    { payer, deposit, more: true },
  ];
  for (const body of bodies) {
    await assertRefused(world.post("/onboard", body), 400, "invalid_input");
  }
  assert.deepEqual(world.asked, []);
});

const MESSAGE: SignedMessage = {
  type: "Withdraw",
  chainId: SELLER.chainId,
  escrow: SELLER.escrow,
  payer: PAYER.address,
  amount: 5_000_000n,
  to: PROVIDER.address,
  feeMax: 10_000n,
  nonce: 3n,
  deadline: 2_000_000_000n,
  signature: `0x${"11".repeat(64)}1b`,
};

Deno.test("it is said what a message costs, and one is relayed as it was signed", async () => {
  using world = await openRouteWorld();
  const offer = await world.ask("/relay");
  assert.deepEqual([offer.status, await offer.json()], [200, { ...RELAY_OFFER, fee: "10000" }]);
  const messages: SignedMessage[] = [];
  const { relay, offer: offers } = world.parts.money.messages;
  world.parts.money.messages = {
    offer: offers,
    relay(signed) {
      messages.push(signed);
      return relay(signed);
    },
  };
  const response = await world.post("/relay", messageToJson(MESSAGE));
  assert.equal(response.status, 200);
  const { address: payer } = PAYER;
  assert.deepEqual(await response.json(), { payer, transaction: TRANSACTION, fee: "10000" });
  assert.deepEqual(messages, [MESSAGE]);
});

Deno.test("a malformed message goes nowhere, and a refusal says what it is", async () => {
  using world = await openRouteWorld();
  const json = messageToJson(MESSAGE);
  for (const body of [{}, { ...json, to: "me" }, { ...json, feeMax: 1 }, { ...json, more: 1 }]) {
    await assertRefused(world.post("/relay", body), 400, "invalid_input");
  }
  assert.deepEqual(world.asked, []);
  const low = new KhachapuriError("payment_required", "too low", { data: { fee: "10000" } });
  const none = new KhachapuriError("not_found", "this provider relays no messages");
  world.parts.money.messages = {
    relay: () => Promise.reject(low),
    offer() {
      throw none;
    },
  };
  const refused = await world.post("/relay", json);
  assert.deepEqual([refused.status, (await refused.json()).fee], [402, "10000"]);
  await assertRefused(world.ask("/relay"), 404, "not_found");
});

Deno.test("whoever has a receipt's address may read it", async () => {
  using world = await openRouteWorld();
  const receipt = await signReceipt(OPERATOR, {
    chainId: SELLER.chainId,
    escrow: SELLER.escrow,
    payer: PAYER.address,
    provider: PROVIDER.address,
    operator: OPERATOR.address,
    block: 1n,
    lane: LANE,
    cumulative: 7n,
    deployment: "bafy",
    price: SELLER.price,
    outcome: "answered",
    requestHash: `0x${"01".repeat(32)}`,
    responseHash: `0x${"02".repeat(32)}`,
    startedAt: 1n,
    durationMs: 2n,
    credits: 1,
  });
  world.receipts.set("/receipts/some", receipt);
  const response = await world.ask("/receipts/some?ignored");
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.deepEqual(await response.json(), receiptToJson(receipt));
  await assertRefused(world.ask("/receipts/other"), 404, "not_found");
});

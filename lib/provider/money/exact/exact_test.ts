/**
 * The scheme `exact` on a book of its own, before a chain that answers from an object: (I2) one
 * payment is one request's, (I3) what came is answered, (I4) who is refused is charged nothing,
 * (I5) nobody promises more than it holds; and what strangers can make us ask.
 */
import assert from "node:assert/strict";
import { pad } from "viem";
import { toHeader } from "../../../payment_required.ts";
import type { ExactAccept } from "../../../x402_v1.ts";
import { PURCHASE_UNPAID_KEPT_MS } from "../../../limits_of_exact.ts";
import {
  ANNA,
  ASKED,
  bought,
  CID,
  DEPLOYMENT,
  field,
  NOW,
  OTHER,
  reasonOf,
  refusal,
  USED,
  withDesk,
} from "../../../../worlds/exact_desk.ts";
import { Fields } from "../../http/fields.ts";
import { SETTLE_SECONDS } from "./checks.ts";

Deno.test("a request without a payment, or with one in another scheme, is not its own", () =>
  withDesk(async ({ exact }) => {
    const read = (list: [string, string][]) => exact.read(DEPLOYMENT, new Fields(list));
    assert.equal(read([]), null);
    const credits = toHeader({ x402Version: 2, accepted: { scheme: "credits" }, payload: {} });
    assert.equal(read([["payment-signature", credits]]), null);
    // Version 1 has no other scheme here, and what version 2 says goes first.
    const old = toHeader({ x402Version: 1, scheme: "upto", network: "base", payload: {} });
    assert.equal(await reasonOf(() => read([["x-payment", old]])), "invalid_payload");
    assert.equal(read([["x-payment", old], ["payment-signature", credits]]), null);
    const own = await field(1);
    const { accepted: _, ...json } = JSON.parse(atob(own[1]));
    const ownOld = toHeader({ ...json, x402Version: 1, scheme: "exact", network: "eip155:31337" });
    assert.equal((await read([["x-payment", ownOld]]))!.payment.x402Version, 1);
    assert.equal((await read([["x-payment", "!"], own]))!.payer, ANNA.address);
    assert.equal(await reasonOf(() => read([own, ["payer", OTHER]])), "payment_required");
    assert.equal(await exact.provenPayer(), null);
    assert.throws(() => exact.ownersBill());
  }));

Deno.test("its bill is one credit's, known by its nonce", () =>
  withDesk(async ({ bill }) => {
    const { payment: _, ...rest } = await bill(1);
    assert.deepEqual(rest, {
      source: "caller",
      payer: ANNA.address,
      cid: CID,
      scope: "exact",
      creditsMax: 1,
      isOwed: false,
      key: `nonce ${pad("0x1")} 192.0.2`,
      from: "192.0.2.1",
    });
  }));

Deno.test("a client's own name for it goes before its nonce", () =>
  withDesk(async ({ exact }) => {
    const [name, text] = await field(1);
    const extensions = { "payment-identifier": { info: { id: "pay_1" } } };
    const named = toHeader({ ...JSON.parse(atob(text)), extensions });
    const bill = await exact.read(DEPLOYMENT, new Fields([[name, named]]));
    assert.equal(bill!.key, "identifier pay_1");
  }));

Deno.test("its time is the later clock's, to the second", () =>
  withDesk(async ({ bill }) => {
    await bill(1, { validBefore: NOW + SETTLE_SECONDS });
    const late = bill(1, { validBefore: NOW + SETTLE_SECONDS - 1n });
    assert.match(String(await reasonOf(late)), /valid_before/);
  }));

Deno.test("what is wrong without a look is refused without one, but for what is known", () =>
  withDesk(async (desk) => {
    const { is, asked, bill } = desk;
    assert.match(String(await reasonOf(bill(1, { value: 9n }))), /value_mismatch/);
    const hold = await bought(desk, await bill(2));
    hold.release("over");
    is.now = NOW + 90n;
    assert.match(String(await reasonOf(bill(1))), /valid_before/);
    asked.length = 0;
    assert.equal((await bill(2)).payer, ANNA.address);
    assert.deepEqual(asked, []);
  }));

Deno.test("strangers cost a look after their signature, and no more than they may", () =>
  withDesk(async ({ exact, is, asked, bill }) => {
    await exact.admit(await bill(1));
    assert.deepEqual(asked.splice(0), ["admit 192.0.2.1", "look"]);
    const forged = await bill(2, {}, pad("0x51", { size: 65 }));
    assert.equal(await reasonOf(exact.admit(forged)), "invalid_exact_evm_signature");
    assert.deepEqual(asked.splice(0), ["admit 192.0.2.1", "code"]);
    const undeployed = await bill(2, {}, `0x51${"6492".repeat(16)}`);
    assert.equal(await reasonOf(exact.admit(undeployed)), "eip6492_factory_not_allowed");
    is.code = true;
    asked.length = 0;
    await exact.admit(forged);
    assert.deepEqual(asked.splice(0), ["admit 192.0.2.1", "code", "admit 192.0.2.1", "look"]);
    is.looks = 0;
    assert.equal(await reasonOf(exact.admit(await bill(3))), "rate_limited");
    assert.deepEqual(asked.splice(0), ["admit 192.0.2.1"]);
  }));

Deno.test("what would not be sent is not looked at, nor offered", () =>
  withDesk(async ({ exact, is, asked, bill }) => {
    assert.equal((exact.offer() as ExactAccept).amount, "10");
    is.worth = false;
    assert.equal(exact.offer(), null);
    assert.equal(await reasonOf(exact.admit(await bill(1))), "chain_unavailable");
    is.worth = true;
    is.room = false;
    assert.equal(await reasonOf(exact.admit(await bill(1))), "overloaded");
    assert.deepEqual(asked, []);
  }));

Deno.test("the token's no is told, and nothing is taken down", () =>
  withDesk(async ({ exact, is, purchases, bill }) => {
    is.refusal = { reason: USED, message: "used" };
    const { data, hints, code } = await refusal(exact.admit(await bill(1)));
    assert.deepEqual([code, data.x402Reason], ["payment_required", USED]);
    assert.equal(hints.at(-1), "nothing was charged");
    assert.equal(purchases.numbered(1), null);
  }));

Deno.test("one that is known, and refused, may have come", () =>
  withDesk(async (desk) => {
    const { exact, is, asked, bill } = desk;
    (await bought(desk, await bill(1))).release("over");
    is.refusal = { reason: USED, message: "used" };
    asked.length = 0;
    assert.equal(await reasonOf(exact.admit(await bill(1))), USED);
    assert.deepEqual(asked, ["admit 192.0.2.1", "look", "come"]);
    is.come = true;
    is.now = NOW + 1_000n;
    is.room = is.worth = false;
    assert.equal((await exact.admit(await bill(1))).funds, null);
    await bought(desk, await bill(1));
    // Who knows no more than its number is somebody else.
    is.room = is.worth = is.code = true;
    is.now = NOW;
    assert.equal(await reasonOf(exact.admit(await bill(1, {}, "0x51"))), USED);
  }));

Deno.test("one that is free again has to be sent, and needs its time", () =>
  withDesk(async (desk) => {
    const { exact, is, bill } = desk;
    (await bought(desk, await bill(1))).release("over");
    is.worth = false;
    assert.equal(await reasonOf(exact.admit(await bill(1))), "chain_unavailable");
    is.worth = true;
    const admission = await exact.admit(await bill(1));
    is.now = NOW + 80n;
    assert.match(String(await reasonOf(exact.hold(admission, ASKED))), /valid_before/);
    is.now = NOW;
    is.room = false;
    assert.equal(await reasonOf(exact.hold(admission, ASKED)), "overloaded");
    is.room = true;
    await exact.hold(admission, ASKED);
  }));

Deno.test("one whose money is out or here is not looked at", () =>
  withDesk(async (desk) => {
    const { exact, is, asked, bill, purchases } = desk;
    const hold = await bought(desk, await bill(1));
    await purchases.sending(1);
    hold.release("over");
    is.balance = 0n;
    is.looks = 0;
    asked.length = 0;
    const { funds, block } = await exact.admit(await bill(1));
    assert.deepEqual([funds, block, asked], [null, 7n, []]);
    await bought(desk, await bill(1));
  }));

Deno.test("an order that is none says why, and costs nothing", () =>
  withDesk(async (desk) => {
    const { exact, is, bill, purchases } = desk;
    const admission = await exact.admit(await bill(1));
    const hold = await exact.hold(admission, ASKED);
    const running = await refusal(exact.hold(admission, ASKED));
    assert.deepEqual([running.code, running.retryAfterSeconds], ["idempotency_conflict", 1]);
    const other = () => ({ digest: new Uint8Array([2]), key: null });
    assert.equal(await reasonOf(exact.hold(admission, other)), USED);
    is.balance = 19n;
    const poor = await refusal(exact.hold(await exact.admit(await bill(2)), ASKED));
    assert.equal(poor.data.x402Reason, "invalid_exact_evm_insufficient_balance");
    assert.match(poor.message, /holds 0\.000019 USDC, of which 0\.00001 go/);
    await purchases.paid(1, pad("0x7"), { number: 7n, hash: pad("0x8") });
    await hold.charge("answered", null);
    const answered = await refusal(exact.hold(admission, ASKED));
    assert.equal(answered.code, "idempotency_conflict");
    assert.equal(answered.retryAfterSeconds, undefined);
    is.balance = 100n;
    await exact.hold(await exact.admit(await bill(3)), ASKED);
    purchases.void(2);
    purchases.letGo(2);
    assert.equal(await reasonOf(exact.hold(await exact.admit(await bill(3)), ASKED)), USED);
    await assert.rejects(exact.hold(admission), /for a request/);
  }));

Deno.test("what a fleet has no room for, or whom it lets wait, is told so", () =>
  withDesk(async ({ exact, purchases, bill }) => {
    const admission = await exact.admit(await bill(1));
    purchases.order = () => Promise.resolve({ refusal: { reason: "full" } });
    assert.equal(await reasonOf(exact.hold(admission, ASKED)), "overloaded");
    const waitMs = 120_000;
    purchases.order = () => Promise.resolve({ refusal: { reason: "reverted", waitMs } });
    const waits = await refusal(exact.hold(admission, ASKED));
    assert.equal(waits.data.x402Reason, "invalid_exact_evm_transaction_failed");
    assert.match(waits.hints.join(), /again in 2 min/);
  }));

Deno.test("what was seen long before the run starts is looked at again", () =>
  withDesk(async ({ exact, is, asked, bill }) => {
    const admission = await exact.admit(await bill(1));
    is.clock += 251;
    is.refusal = { reason: "invalid_exact_evm_insufficient_balance", message: "moved away" };
    asked.length = 0;
    assert.equal(await reasonOf(exact.hold(admission, ASKED)), is.refusal.reason);
    assert.deepEqual(asked, ["admit 192.0.2.1", "look"]);
    is.refusal = null;
    await exact.hold(admission, ASKED);
  }));

Deno.test("a payment whose row is forgotten by then is judged as if it were new", () =>
  withDesk(async ({ exact, is, purchases, bill }) => {
    await exact.hold(await exact.admit(await bill(1)), ASKED);
    purchases.letGo(1);
    // Known by its nonce, it was read without a look at what it moves, and to whom.
    const hollow = await exact.admit(await bill(1, { to: ANNA.address, value: 0n }));
    is.clock += PURCHASE_UNPAID_KEPT_MS;
    await exact.hold(await exact.admit(await bill(2)), ASKED);
    assert.equal(purchases.find((await bill(1)).payment.authorization), null);
    const mismatch = "invalid_exact_evm_recipient_mismatch";
    assert.equal(await reasonOf(exact.hold(hollow, ASKED)), mismatch);
    const owed = { ...await exact.admit(await bill(1)), funds: null };
    assert.equal(await reasonOf(exact.hold(owed, ASKED)), USED);
  }));

Deno.test("for an answer that was paid before, who pays is proven, whatever it has left", () =>
  withDesk(async (desk) => {
    const { exact, is, asked, bill } = desk;
    await exact.prove(await bill(1));
    assert.deepEqual(asked, []);
    const wallets = pad("0x51", { size: 65 });
    assert.equal(
      await reasonOf(exact.prove(await bill(1, {}, wallets))),
      "invalid_exact_evm_signature",
    );
    is.code = true;
    is.refusal = { reason: "invalid_exact_evm_signature", message: "no" };
    assert.equal(
      await reasonOf(exact.prove(await bill(1, {}, wallets))),
      "invalid_exact_evm_signature",
    );
    is.refusal = null;
    asked.length = 0;
    await exact.prove(await bill(1, {}, wallets));
    assert.deepEqual(asked, ["admit 192.0.2.1", "code", "look"]);
    await bought(desk, await bill(1, {}, wallets));
    asked.length = 0;
    is.refusal = { reason: USED, message: "used" };
    await exact.prove(await bill(1, {}, wallets));
    assert.deepEqual(asked, [], "its own is known by its signature");
  }));

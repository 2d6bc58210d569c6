/**
 * x402's `exact`, refused: each check of its order with x402's word for it, on 402 with a fresh
 * PAYMENT-REQUIRED; nothing is charged, and no program runs. The invariants are those of
 * exact_chaos_test.ts; here (I2) and (I4).
 */
import assert from "node:assert/strict";
import { type Address, getAddress, type Hex, pad } from "viem";
import { ask } from "../worlds/chain/anvil_calls.ts";
import { blacklist, pauseUsdc, unpauseUsdc } from "../worlds/chain/usdc.ts";
import {
  balanceOf,
  type ExactEntry,
  exactHeader,
  exactHeaderV1,
  exactIn,
  type SignedExact,
  signExact,
} from "../worlds/exact_payer.ts";
import {
  answerOf,
  askedOf,
  auditExact,
  bookOf,
  deployPaid,
  EXACT_PRICE,
  newPayer,
  payFor,
  runsOf,
  send,
  startExactMarket,
} from "../worlds/exact_market.ts";
import { toHeader } from "../lib/payment_required.ts";

const OTHER = getAddress(pad("0xdd", { size: 20 }));
const NETWORK = "invalid_exact_evm_network_mismatch";
const RECIPIENT = "invalid_exact_evm_recipient_mismatch";
const VALUE = "invalid_exact_evm_payload_authorization_value_mismatch";
const AFTER = "invalid_exact_evm_payload_authorization_valid_after";
const BEFORE = "invalid_exact_evm_payload_authorization_valid_before";
const SIGNATURE = "invalid_exact_evm_signature";
const now = () => BigInt(Math.floor(Date.now() / 1_000));

/** What is signed for another offer than the provider's. */
const ENTRIES: Record<string, [Partial<ExactEntry>, string]> = {
  "another network": [{ network: "eip155:8453" }, NETWORK],
  "another token": [{ asset: OTHER }, NETWORK],
  "somebody else to be paid": [{ payTo: OTHER }, RECIPIENT],
  "too little": [{ amount: "9999" }, VALUE],
  "too much": [{ amount: "10001" }, VALUE],
  "another domain of the token": [{ extra: { name: "USDC of old", version: "2" } }, SIGNATURE],
};

/** What is signed for the provider's offer, and is not what it asks. */
const SIGNED: Record<string, [Partial<SignedExact["authorization"]>, string]> = {
  "somebody else is paid": [{ to: OTHER }, RECIPIENT],
  "a unit too little": [{ value: EXACT_PRICE - 1n }, VALUE],
  "a unit too much": [{ value: EXACT_PRICE + 1n }, VALUE],
  "not valid yet": [{ validAfter: now() + 600n }, AFTER],
  "expired": [{ validBefore: now() - 1n }, BEFORE],
  "expired before it could be settled": [{ validBefore: now() + 10n }, BEFORE],
  "somebody else's money": [{ from: OTHER }, SIGNATURE],
};

Deno.test("each refusal has x402's word, is free, and runs nothing", async (t) => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const payer = await newPayer(market);
  const entry = await askedOf(market, cid);
  const { chain, usdc, accounts: { deployer } } = market;
  const refused = async (signed: SignedExact, reason: string, header = exactHeader(signed)) => {
    const response = await market.call(cid, { headers: header });
    assert.deepEqual(exactIn(response), entry, "no fresh offer");
    const answer = await answerOf(response);
    assert.deepEqual([answer.status, answer.reason], [402, reason], answer.text);
    const told = answer.text + market.lines.join();
    const isLong = signed.signature.length > 100;
    assert.ok(!isLong || !told.includes(signed.signature.slice(2, 100)), "it tells a signature");
  };

  for (const [what, [changes, reason]] of Object.entries(ENTRIES)) {
    await t.step(`for ${what}`, async () => {
      await refused(await signExact(payer, { ...entry, ...changes }), reason);
    });
  }

  for (const [what, [changes, reason]] of Object.entries(SIGNED)) {
    await t.step(what, async () => {
      const signed = await signExact(payer, entry, changes);
      await refused(signed, reason);
      if (reason === VALUE || reason === RECIPIENT) {
        await refused(signed, reason, exactHeaderV1(signed, "eip155:31337"));
      }
    });
  }

  await t.step("signatures that are none of the payer's", async () => {
    const signed = await signExact(payer, entry);
    const turned = signed.signature.replace(/^0x../, (start) => start === "0x00" ? "0x01" : "0x00");
    for (const signature of [turned, signed.signature.slice(0, -2), "0x51"] as Hex[]) {
      await refused({ ...signed, signature }, SIGNATURE);
    }
    const wrapped = `0x${"00".repeat(64)}${"6492".repeat(16)}` as Hex;
    await refused({ ...signed, signature: wrapped }, "eip6492_factory_not_allowed");
  });

  await t.step("a payer without the money", async () => {
    const poor = await newPayer(market, EXACT_PRICE - 1n);
    const signed = await signExact(poor, entry);
    await refused(signed, "invalid_exact_evm_insufficient_balance");
  });

  await t.step("a payer on the blacklist", async () => {
    const barred = await newPayer(market);
    await blacklist(chain, deployer, usdc, barred.address);
    const signed = await signExact(barred, entry);
    await refused(signed, "invalid_exact_evm_transaction_simulation_failed");
  });

  await t.step("while the token is paused", async () => {
    await pauseUsdc(chain, deployer, usdc);
    const signed = await signExact(payer, entry);
    await refused(signed, "invalid_exact_evm_transaction_simulation_failed");
    await unpauseUsdc(chain, deployer, usdc);
  });

  await t.step("what is no payment at all", async () => {
    const signed = await signExact(payer, entry);
    const [[name, good]] = Object.entries(exactHeader(signed)) as [[string, string]];
    const json = JSON.parse(atob(good));
    const malformed = ["", "%", "e30", `${good}${"A".repeat(9_000)}`, toHeader([]), btoa("1")];
    for (const text of [...malformed, toHeader({ ...json, x402Version: 3 })]) {
      const answer = await answerOf(await market.call(cid, { headers: { [name]: text } }));
      assert.ok([400, 431].includes(answer.status), `${answer.status} for ${text.slice(0, 20)}`);
    }
    const { authorization } = json.payload;
    for (const [field, value] of Object.entries({ value: 1, nonce: "0x1", from: "0x", to: null })) {
      const payload = { ...json.payload, authorization: { ...authorization, [field]: value } };
      const header = { [name]: toHeader({ ...json, payload }) };
      await refused(signed, "invalid_payload", header);
    }
    await refused(signed, "invalid_payload", { [name]: toHeader({ ...json, payload: null }) });
  });

  assert.equal(await runsOf(market), 0);
  assert.deepEqual(bookOf(market), []);
  assert.equal(await balanceOf(market, payer.address), 10n * EXACT_PRICE);

  await t.step("and what is right is taken, however long it is valid", async () => {
    const validBefore = (1n << 256n) - 1n;
    const signed = await signExact(payer, entry, { validBefore });
    assert.equal((await send(market, cid, signed)).status, 200);
    assert.equal(await runsOf(market), 1);
    await auditExact(market, 1);
  });
});

/** A wallet whose code takes every signature of one byte, and no other (ERC-1271). */
const WALLET: Hex = "0x604435600114600c575f5ffd5b631626ba7e60e01b5f5260205ff3";

Deno.test("a wallet's code decides over its payments, also of a key that has code", async (t) => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const entry = await askedOf(market, cid);

  await t.step("a contract's", async () => {
    const wallet = getAddress(pad("0x3a11e7", { size: 20 })) as Address;
    await ask(market.chain, "anvil_setCode", wallet, WALLET);
    await market.mint({ address: wallet }, 2n * EXACT_PRICE);
    const by = await newPayer(market);
    const signed = await signExact(by, entry, { from: wallet });
    assert.equal((await send(market, cid, signed)).reason, SIGNATURE);
    const own = { ...signed, signature: "0x51" as Hex };
    const answer = await send(market, cid, own);
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await send(market, cid, own)).isReplay, true);
  });

  await t.step("a key's, that has taken code on (EIP-7702)", async () => {
    const payer = await newPayer(market);
    const plain = await signExact(payer, entry);
    await ask(market.chain, "anvil_setCode", payer.address, WALLET);
    assert.equal((await send(market, cid, plain)).reason, SIGNATURE);
    const answer = await send(market, cid, { ...plain, signature: "0x51" });
    assert.equal(answer.status, 200, answer.text);
  });
  await auditExact(market, 2);
});

Deno.test("under a key a fresh payment each time is charged once", async (t) => {
  await using market = await startExactMarket();
  const cid = await deployPaid(market);
  const ways = {
    "Idempotency-Key": (signed: SignedExact) => ({
      ...exactHeader(signed),
      "idempotency-key": "order-1",
    }),
    "payment-identifier": (signed: SignedExact) =>
      exactHeader(signed, {
        extensions: { "payment-identifier": { info: { id: "pay_1234567890abcdef" } } },
      }),
  };
  let answered = 0;
  for (const [what, headersOf] of Object.entries(ways)) {
    await t.step(what, async () => {
      const payer = await newPayer(market);
      const init = async (body: string) => ({
        method: "POST",
        body,
        headers: headersOf(await payFor(market, payer, cid)),
      });
      const answers = [];
      for (const _ of [1, 2, 3]) {
        answers.push(await answerOf(await market.call(cid, await init("world"))));
      }
      assert.deepEqual(answers.map(({ status, text, isReplay }) => [status, text, isReplay]), [
        [200, "hello world", false],
        [200, "hello world", true],
        [200, "hello world", true],
      ]);
      assert.equal(await balanceOf(market, payer.address), 9n * EXACT_PRICE);
      const other = await answerOf(await market.call(cid, await init("another")));
      assert.ok([402, 422].includes(other.status), other.text);
      assert.equal(await balanceOf(market, payer.address), 9n * EXACT_PRICE);
      // The same key of somebody else is another one.
      const somebody = await newPayer(market);
      const headers = headersOf(await payFor(market, somebody, cid));
      const own = await answerOf(await market.call(cid, { ...await init("world"), headers }));
      assert.deepEqual([own.status, own.isReplay], [200, false]);
      answered += 2;
    });
  }
  await auditExact(market, answered);
});

Deno.test("a payment that was used says so, whoever it is sent to", async () => {
  await using market = await startExactMarket();
  const [cid, elsewhere] = [await deployPaid(market), await deployPaid(market)];
  const payer = await newPayer(market);
  const signed = await payFor(market, payer, cid);
  assert.equal((await send(market, cid, signed)).status, 200);
  const others: [string, RequestInit][] = [
    [elsewhere, {}],
    [cid, { method: "POST", body: "other" }],
    [`${cid}/path`, {}],
    [`${cid}?query`, {}],
  ];
  for (const [what, init] of others) {
    const { status, reason } = await send(market, what, signed, init);
    assert.deepEqual([status, reason], [402, "invalid_exact_evm_nonce_already_used"]);
  }
  assert.equal(await runsOf(market), 1);
  await auditExact(market, 1);
});

/** Relayed messages, with a chain that answers and an operator that does as the test says. */
import assert from "node:assert/strict";
import type { Address, Hex, TransactionReceipt } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { allowanceOf, answeringChain } from "../../../worlds/chain/escrow_answers.ts";
import { rememberRelays } from "../../../worlds/chain/onboarding_desk.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { ContractCall } from "../../chain/client.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import {
  type MessageMatter,
  type PayerMessage,
  type SignedMessage,
  signMessage,
} from "../../chain/payer_message.ts";
import { KhachapuriError } from "../../errors.ts";
import { RELAY_LIFETIME_SECONDS_MAX } from "../../limits.ts";
import { MessageRelay, type MessageRelayOptions } from "./message_relay.ts";

const PROVIDER = anvilAccount(1).address;
const [ANNA, BERT] = [anvilAccount(4), anvilAccount(5)];
const ESCROW: Address = `0x${"ee".repeat(20)}`;
const TX: Hex = `0x${"7a".repeat(32)}`;
/** Unix seconds. */
const NOW = 1_700_000_000n;
const FEE = 10_000n;
const THAWING_SECONDS = 3_600;
const MINED = { status: "success", transactionHash: TX } as const;
const NOTICES: MessageMatter[] = [
  { type: "Revoke", provider: PROVIDER, credits: 5n },
  { type: "BumpEpoch", provider: PROVIDER },
];
const MATTERS: MessageMatter[] = [
  ...NOTICES,
  { type: "Reclaim", provider: PROVIDER },
  { type: "Withdraw", amount: 7n, to: BERT.address },
];

/** The desk of a provider at which everybody has 0.02 USDC free, and as much locked. */
function openDesk(policy: Partial<MessageRelayOptions["policy"]> = {}, chainId = 31_337) {
  const heard = hearLog();
  const answers = { settled: 0n, allowance: allowanceOf(20n, 1_000n), balance: 20_000n, nonce: 0n };
  const chain = answeringChain(answers);
  const desk = {
    /** Unix ms. */
    now: Number(NOW) * 1_000,
    answers,
    /** What a message's gas costs now, USDC base units. */
    cost: 0n,
    /** Payers in the order in which they were looked at, and tried. */
    looked: [] as Address[],
    tried: [] as Address[],
    sent: [] as [Address, ContractCall][],
    worths: [] as bigint[],
    /** To be called when nothing is sent after all. */
    unsent: undefined as (() => void) | undefined,
    /** What becomes of a message that is sent. */
    mine: (): Promise<Partial<TransactionReceipt>> => Promise.resolve(MINED),
    lines: heard.lines,
  };
  const options: MessageRelayOptions = {
    chain,
    seller: { chainId, escrow: ESCROW, provider: PROVIDER, price: 1_000n },
    policy: { fee: FEE, perMinute: 10, ...policy },
    thawingSeconds: THAWING_SECONDS,
    relays: {
      costOf: () => Promise.resolve(desk.cost),
      admitFrom: () => {},
      admitLook: (payer) => void desk.looked.push(payer),
      admitTry: (payer) => void desk.tried.push(payer),
      async send({ payer, call, worth, onSend, onUnsent }) {
        await onSend?.();
        desk.sent.push([payer, call]);
        desk.worths.push(worth);
        desk.unsent = onUnsent;
        return await desk.mine() as TransactionReceipt;
      },
    },
    last: rememberRelays(() => desk.now),
    log: heard.log,
    now: () => desk.now,
  };
  let relay = new MessageRelay(options);
  return Object.assign(desk, {
    offer: () => relay.offer(),
    relay: (signed: SignedMessage) => relay.relay(signed),
    restart: () => void (relay = new MessageRelay(options)),
    /** Resolves once so many are sent; bounded by the test runner. */
    async untilSent(count: number): Promise<void> {
      while (desk.sent.length < count) await turn();
    },
  });
}

/** What is ready to happen has happened. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function sign(
  matter: MessageMatter,
  changes: Partial<PayerMessage> = {},
  account = ANNA,
): Promise<SignedMessage> {
  const terms = { payer: account.address, feeMax: FEE, nonce: 0n, deadline: NOW + 600n };
  const message = { ...matter, ...terms, ...changes } as PayerMessage;
  return signMessage(account, { chainId: 31_337, escrow: ESCROW }, message);
}

/** The fee that the last message was sent for, and whom it goes to. */
const feeOf = ([, { args }]: [Address, ContractCall]) => args!.slice(-2);

Deno.test("each message is sent as it was signed, and its fee goes to the provider's address", async () => {
  for (const matter of MATTERS) {
    const desk = openDesk();
    const signed = await sign(matter, { feeMax: 5n * FEE });
    assert.deepEqual(await desk.relay(signed), { transaction: TX, fee: FEE });
    const [[payer, call]] = desk.sent as [[Address, ContractCall]];
    assert.equal(payer, ANNA.address);
    assert.equal(call.messages, ESCROW_MESSAGES, "a refusal is worded");
    assert.match(call.functionName, new RegExp(`^${matter.type}For$`, "i"));
    const { feeMax, nonce, deadline, signature } = signed;
    assert.deepEqual(call.args!.at(-3), { feeMax, nonce, deadline, signature });
    assert.deepEqual(feeOf(desk.sent[0]!), [FEE, PROVIDER]);
    const { message, type, fee, transaction } = JSON.parse(desk.lines[0]!);
    assert.deepEqual([message, type, fee, transaction], [
      "message relayed",
      matter.type,
      String(FEE),
      TX,
    ]);
  }
});

Deno.test("it says what it sends, for how much and to whom", async () => {
  const { relays, ...rest } = await openDesk().offer();
  assert.deepEqual(rest, { chainId: 31_337, escrow: ESCROW, relayer: PROVIDER, fee: FEE });
  assert.deepEqual(relays, MATTERS.map(({ type }) => type));
  await assert.rejects(openDesk({ enabled: false }).offer(), {
    code: "not_found",
    message: "this provider relays no messages",
  });
});

Deno.test("where a message costs more than its fee none is sent unless the provider says so", async () => {
  const ethereum = openDesk({}, 1);
  const refusal = { code: "not_found", message: /on Ethereum one costs more gas than its fee/ };
  await assert.rejects(ethereum.offer(), refusal);
  await assert.rejects(ethereum.relay(await sign(MATTERS[0]!)), refusal);
  assert.equal((await openDesk({ enabled: true }, 1).offer()).chainId, 1);
  for (const chainId of [10, 8_453, 31_337]) assert.ok(await openDesk({}, chainId).offer());
});

Deno.test("what is not for here and now, or nobody's, costs the chain no question", async () => {
  const [revoke] = MATTERS as [MessageMatter];
  const good = await sign(revoke);
  const far = NOW + RELAY_LIFETIME_SECONDS_MAX + 1n;
  const cases: [SignedMessage, string, RegExp][] = [
    [{ ...good, chainId: 1 }, "invalid_input", /for chain 1/],
    [{ ...good, escrow: PROVIDER }, "invalid_input", /for escrow 0x7099/],
    [await sign(revoke, { deadline: NOW + 29n }), "invalid_input", /deadline has ended/],
    [await sign(revoke, { deadline: far }), "invalid_input", /ends more than 86400 seconds/],
    [{ ...good, feeMax: FEE + 1n }, "invalid_signature", /not signed by its payer/],
    [{ ...good, payer: BERT.address }, "invalid_signature", /not signed by its payer/],
    [{ ...good, credits: 6n } as SignedMessage, "invalid_signature", /not signed/],
  ];
  const desk = openDesk();
  for (const [signed, code, message] of cases) {
    await assert.rejects(desk.relay(signed), { code, message });
  }
  await assert.rejects(openDesk({ enabled: false }).relay(good), { code: "not_found" });
  assert.deepEqual([desk.looked, desk.sent], [[], []]);
  for (const deadline of [NOW + 30n, far - 1n]) await desk.relay(await sign(revoke, { deadline }));
});

Deno.test("a fee that is too low is named", async () => {
  const desk = openDesk();
  for (const matter of MATTERS) {
    const low = desk.relay(await sign(matter, { feeMax: FEE - 1n }));
    await assert.rejects(low, (error: KhachapuriError) => {
      assert.equal(error.code, "payment_required");
      assert.match(error.message, /relayed for 0\.01 USDC, this one allows 0\.009999$/);
      assert.equal(error.data["fee"], String(FEE));
      return true;
    });
  }
  assert.deepEqual(desk.sent, []);
});

Deno.test("who has locked everything here gives each notice for nothing, once in a period", async () => {
  const desk = openDesk();
  desk.answers.balance = FEE - 1n;
  for (const notice of NOTICES) {
    const free = await sign(notice, { feeMax: 0n });
    assert.deepEqual(await desk.relay(free), { transaction: TX, fee: 0n });
    assert.deepEqual(feeOf(desk.sent.at(-1)!), [0n, PROVIDER]);
    await assert.rejects(desk.relay(free), { code: "payment_required" });
    // For the fee it is tried: the chain may know of money that came meanwhile.
    assert.equal((await desk.relay(await sign(notice))).fee, FEE);
  }
  desk.restart();
  desk.now += THAWING_SECONDS * 1_000 - 1;
  const late = { deadline: NOW + 7_200n, feeMax: 0n };
  for (const notice of NOTICES) {
    await assert.rejects(desk.relay(await sign(notice, late)), { code: "payment_required" });
  }
  desk.now += 1;
  for (const notice of NOTICES) assert.equal((await desk.relay(await sign(notice, late))).fee, 0n);
  assert.equal((await desk.relay(await sign(NOTICES[0]!, late, BERT))).fee, 0n, "each payer");
});

Deno.test("a notice that was not sent was no gift", async () => {
  const desk = openDesk();
  desk.answers.balance = 0n;
  const free = await sign(NOTICES[0]!, { feeMax: 0n });
  const no = new KhachapuriError("chain_refused", "ZeroCredits");
  desk.mine = () => {
    desk.unsent!();
    return Promise.reject(no);
  };
  for (const _ of [1, 2]) await assert.rejects(desk.relay(free), no);
  desk.mine = () => Promise.resolve(MINED);
  assert.equal((await desk.relay(free)).fee, 0n);
});

Deno.test("a notice that was sent for nothing was the gift, whatever became of it", async () => {
  const late = new KhachapuriError("chain_unavailable", "the message was not mined in time");
  const fates = [
    () => Promise.resolve({ ...MINED, status: "reverted" } as const),
    () => Promise.reject(late),
  ];
  for (const fate of fates) {
    const desk = openDesk();
    desk.answers.balance = 0n;
    desk.mine = fate;
    const free = await sign(NOTICES[0]!, { feeMax: 0n });
    await assert.rejects(desk.relay(free), /not mined in time|mined but reverted/);
    for (const nonce of [0n, 1n]) {
      const again = await sign(NOTICES[0]!, { feeMax: 0n, nonce });
      await assert.rejects(desk.relay(again), { code: "payment_required" });
    }
    assert.equal(desk.sent.length, 1);
  }
});

Deno.test("a message that somebody else sent first is not refused, it is taken", async () => {
  const no = new KhachapuriError("chain_refused", "InvalidAccountNonce");
  const fates = [
    () => Promise.resolve({ ...MINED, status: "reverted" } as const),
    () => Promise.reject(no),
  ];
  for (const fate of fates) {
    const desk = openDesk();
    desk.mine = fate;
    const signed = await sign(MATTERS[2]!, { nonce: 4n });
    desk.answers.nonce = 5n;
    await assert.rejects(desk.relay(signed), (error: KhachapuriError) => {
      assert.deepEqual([error.code, error.status], ["idempotency_conflict", 409]);
      assert.match(error.message, /has taken message 4 of 0x\w{40} already$/);
      assert.equal(error.data["nonce"], "4");
      return true;
    });
    desk.answers.nonce = 4n;
    await assert.rejects(desk.relay(signed), { code: "chain_refused" });
  }
});

Deno.test("what was not refused is nobody else's doing, and asks the chain nothing more", async () => {
  const desk = openDesk();
  desk.answers.nonce = 5n;
  const late = new KhachapuriError("chain_unavailable", "not mined in time");
  desk.mine = () => Promise.reject(late);
  await assert.rejects(desk.relay(await sign(MATTERS[2]!, { nonce: 4n })), late);
});

Deno.test("nothing else is for nothing", async () => {
  const desk = openDesk();
  const isDue = async (matter: MessageMatter) =>
    await assert.rejects(desk.relay(await sign(matter, { feeMax: 0n })), {
      code: "payment_required",
    });
  desk.answers.balance = FEE;
  for (const notice of NOTICES) await isDue(notice);
  desk.answers.balance = 0n;
  for (const matter of MATTERS.slice(2)) await isDue(matter);
  for (const notice of NOTICES) await isDue({ ...notice, provider: BERT.address } as MessageMatter);
  // What is locked would not pay for its own way out.
  desk.answers.allowance = allowanceOf(9n, 1_111n);
  for (const notice of NOTICES) await isDue(notice);
  desk.answers.allowance = allowanceOf(10n, 1_000n);
  for (const notice of NOTICES) {
    assert.equal((await desk.relay(await sign(notice, { feeMax: 0n }))).fee, 0n);
  }
});

Deno.test("a provider without a fee sends for nothing while gas costs nothing", async () => {
  const desk = openDesk({ fee: 0n });
  for (const matter of MATTERS) {
    assert.equal((await desk.relay(await sign(matter, { feeMax: 0n }))).fee, 0n);
  }
});

Deno.test("the fee is twice the gas where that is more, and what was told a while ago will do", async () => {
  const desk = openDesk();
  desk.cost = 4_000n;
  assert.equal((await desk.offer()).fee, FEE, "the gas is less than half of it");
  desk.cost = 8_000n;
  assert.equal((await desk.offer()).fee, 16_000n);
  const ask = async (feeMax: bigint) => await desk.relay(await sign(MATTERS[2]!, { feeMax }));
  assert.equal((await ask(20_000n)).fee, 16_000n);
  // Who was told 0.01 USDC before gas rose: it still covers the gas.
  assert.equal((await ask(FEE)).fee, FEE);
  desk.cost = FEE;
  assert.equal((await ask(FEE)).fee, FEE);
  desk.cost = FEE + 1n;
  await assert.rejects(ask(FEE), (error: KhachapuriError) => {
    assert.equal(error.code, "payment_required");
    assert.equal(error.data["fee"], "20002");
    return true;
  });
  assert.deepEqual(desk.worths, [16_000n, FEE, FEE]);
});

Deno.test("a provider without a fee of its own is paid for the gas", async () => {
  const desk = openDesk({ fee: 0n });
  desk.cost = 3_000n;
  assert.equal((await desk.offer()).fee, 6_000n);
  const free = desk.relay(await sign(MATTERS[2]!, { feeMax: 2_999n }));
  await assert.rejects(free, { code: "payment_required" });
});

Deno.test("a notice for nothing costs us five cents at most", async () => {
  const desk = openDesk();
  desk.answers.balance = 0n;
  desk.answers.allowance = allowanceOf(10_000n, 1_000n);
  const free = await sign(NOTICES[0]!, { feeMax: 0n });
  desk.cost = 50_001n;
  await assert.rejects(desk.relay(free), { code: "payment_required" });
  desk.cost = 50_000n;
  assert.equal((await desk.relay(free)).fee, 0n);
  assert.deepEqual(desk.worths, [50_000n]);
});

Deno.test("who has nothing in the escrow is told after one look, and nothing is tried", async () => {
  const desk = openDesk();
  desk.answers.balance = 0n;
  desk.answers.allowance = allowanceOf(0n);
  for (const matter of MATTERS) {
    await assert.rejects(desk.relay(await sign(matter)), {
      code: "payment_required",
      message: /^0x\w{40} has nothing in the escrow$/,
    });
  }
  assert.deepEqual([desk.looked.length, desk.tried.length, desk.sent.length], [4, 0, 0]);
  desk.answers.balance = 1n;
  await desk.relay(await sign(MATTERS[2]!));
  assert.equal(desk.tried.length, 1);
});

Deno.test("a payer has one message under way, and who asks for it again gets its result", async () => {
  const desk = openDesk();
  const mined = Promise.withResolvers<typeof MINED>();
  desk.mine = () => mined.promise;
  const [revoke, bump] = MATTERS as [MessageMatter, MessageMatter];
  const [anna, other] = [await sign(revoke), await sign(bump)];
  const relayed = [anna, anna, await sign(revoke, {}, BERT)].map((signed) => desk.relay(signed));
  await desk.untilSent(2);
  await assert.rejects(desk.relay(other), { code: "rate_limited", retryAfterSeconds: 2 });
  const forged = { ...anna, feeMax: 1n };
  await assert.rejects(desk.relay(forged), { code: "invalid_signature" });
  assert.deepEqual(desk.sent.map(([payer]) => payer), [ANNA.address, BERT.address]);
  mined.resolve(MINED);
  const result = { transaction: TX, fee: FEE };
  assert.deepEqual(await Promise.all(relayed), [result, result, result]);
  await desk.relay(other);
});

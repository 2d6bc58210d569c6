/** What is sent at our gas, with an operator that does as the test says. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Address, TransactionReceipt } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";

import { escrowCall } from "../../chain/escrow_call.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  PAYER_RELAYS_PER_HOUR_MAX,
  PAYER_TRIES_BURST_MAX,
  PAYER_TRIES_PER_SECOND_MAX,
  RELAY_TIMEOUT_MS,
  RELAY_TRIES_BURST_MAX,
  RELAY_TRIES_PER_SECOND_MAX,
} from "../../limits.ts";
import type { OperatorCall } from "./operator.ts";
import { Relays } from "./relays.ts";

const [ANNA, BERT, CARL] = [4, 5, 6].map((index) => anvilAccount(index).address) as [
  Address,
  Address,
  Address,
];
const CALL = escrowCall(`0x${"ee".repeat(20)}`, "reclaimFor", []);
const MINED = { status: "success" } as const;

function openDesk({ perMinute = 2, knows = false } = {}) {
  const desk = {
    /** Unix ms. */
    now: 1_700_000_000_000,
    /** "simulate" and "send" as they were asked for. */
    asked: [] as string[],
    forgotten: [] as (Address | undefined)[],
    simulate: (): Promise<void> => Promise.resolve(),
    mine: (): Promise<Partial<TransactionReceipt>> => Promise.resolve(MINED),
  };
  const ask = (what: string) => (call: OperatorCall) => {
    assert.equal(call, CALL);
    desk.asked.push(what);
  };
  const [simulating, sending] = [ask("simulate"), ask("send")];
  const relays = new Relays({
    what: "message",
    perMinute,
    operator: {
      simulate(call) {
        simulating(call);
        return desk.simulate();
      },
      async send(call) {
        sending(call);
        return await desk.mine() as TransactionReceipt;
      },
    },
    ledger: { knows: () => knows },
    payers: { forget: (payer) => void desk.forgotten.push(payer) },
    now: () => desk.now,
  });
  return Object.assign(desk, {
    send: (payer: Address, onUnsent?: () => void) => relays.send(payer, CALL, onUnsent),
    admitTry: (payer: Address) => relays.admitTry(payer),
  });
}

Deno.test("what is good is sent, and its payer is read anew, also when it reverted", async () => {
  const desk = openDesk();
  assert.equal((await desk.send(ANNA)).status, "success");
  desk.mine = () => Promise.resolve({ status: "reverted" });
  assert.equal((await desk.send(BERT)).status, "reverted");
  assert.deepEqual(desk.asked, ["simulate", "send", "simulate", "send"]);
  assert.deepEqual(desk.forgotten, [ANNA, BERT]);
});

Deno.test("what the chain would refuse is not sent, and takes nobody's turn", async () => {
  const desk = openDesk({ perMinute: 1 });
  const no = new KhachapuriError("chain_refused", "NothingThawing");
  desk.simulate = () => Promise.reject(no);
  for (let i = 0; i <= PAYER_RELAYS_PER_HOUR_MAX; i++) await assert.rejects(desk.send(ANNA), no);
  assert.ok(!desk.asked.includes("send"));
  desk.simulate = () => Promise.resolve();
  await desk.send(ANNA);
});

Deno.test("what the chain refuses at the last moment takes no turn either", async () => {
  const desk = openDesk({ perMinute: 1 });
  const no = new KhachapuriError("chain_refused", "InvalidAccountNonce");
  desk.mine = () => Promise.reject(no);
  for (let i = 0; i <= PAYER_RELAYS_PER_HOUR_MAX; i++) await assert.rejects(desk.send(ANNA), no);
  assert.deepEqual(desk.forgotten, []);
  desk.mine = () => Promise.resolve(MINED);
  await desk.send(ANNA);
  await assert.rejects(desk.send(BERT), { code: "rate_limited" });
});

Deno.test("so many a minute are sent, and who comes then is told when to come again", async () => {
  const desk = openDesk();
  for (const payer of [ANNA, BERT]) await desk.send(payer);
  desk.now += 20_500;
  const isLimited = {
    code: "rate_limited",
    retryAfterSeconds: 10,
    message: /^2 messages a minute are relayed here$/,
  };
  await assert.rejects(desk.send(CARL), isLimited);
  desk.now += 9_500;
  await desk.send(CARL);
});

Deno.test("one payer has so many an hour, and is no trouble to another", async () => {
  const most = PAYER_RELAYS_PER_HOUR_MAX;
  const desk = openDesk({ perMinute: most + 2 });
  for (let i = 0; i < most; i++) await desk.send(ANNA);
  const isLimited = {
    code: "rate_limited",
    retryAfterSeconds: 3_600 / most,
    message: new RegExp(`^${most} messages of one payer an hour`),
  };
  for (const _ of [1, 2, 3]) await assert.rejects(desk.send(ANNA), isLimited);
  for (const _ of [1, 2]) await desk.send(BERT);
  // Nobody has a turn, and Carl's own is not gone with it.
  for (let i = 0; i < most; i++) {
    await assert.rejects(desk.send(CARL), /a minute are relayed here/);
  }
  desk.now += 60_000;
  for (let i = 0; i < most; i++) await desk.send(CARL);
});

Deno.test("strangers are tried so many at once and so many a second", () => {
  const desk = openDesk();
  for (let i = 0; i < RELAY_TRIES_BURST_MAX; i++) desk.admitTry(ANNA);
  assert.throws(() => desk.admitTry(BERT), { code: "overloaded", retryAfterSeconds: 1 });
  desk.now += 1_000;
  for (let i = 0; i < RELAY_TRIES_PER_SECOND_MAX; i++) desk.admitTry(BERT);
  assert.throws(() => desk.admitTry(BERT), { code: "overloaded" });
});

Deno.test("who had a call here is tried a few at once, and is no trouble to another", () => {
  const desk = openDesk({ knows: true });
  for (let i = 0; i < PAYER_TRIES_BURST_MAX; i++) desk.admitTry(ANNA);
  const isLimited = {
    code: "rate_limited",
    message: "too many messages of one payer are being tried",
    retryAfterSeconds: 1 / PAYER_TRIES_PER_SECOND_MAX,
  };
  for (let i = 0; i < RELAY_TRIES_BURST_MAX; i++) {
    assert.throws(() => desk.admitTry(ANNA), isLimited);
  }
  desk.admitTry(BERT);
  desk.now += 1_000 / PAYER_TRIES_PER_SECOND_MAX;
  desk.admitTry(ANNA);
  assert.throws(() => desk.admitTry(ANNA), isLimited);
});

Deno.test("all who had a call here together are tried no more often than strangers", () => {
  const desk = openDesk({ knows: true });
  const payerOf = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;
  for (let i = 0; i < RELAY_TRIES_BURST_MAX; i++) desk.admitTry(payerOf(i));
  assert.throws(() => desk.admitTry(ANNA), { code: "overloaded", retryAfterSeconds: 1 });
  desk.now += 1_000;
  for (let i = 0; i < RELAY_TRIES_PER_SECOND_MAX; i++) desk.admitTry(payerOf(i));
});

Deno.test("who asks hears when nothing was sent, and only then", async () => {
  const desk = openDesk({ perMinute: 1 });
  let unsent = 0;
  const send = () => desk.send(ANNA, () => unsent++);
  const no = new KhachapuriError("chain_refused", "InvalidAccountNonce");
  desk.simulate = () => Promise.reject(no);
  await assert.rejects(send(), no);
  desk.simulate = () => Promise.resolve();
  desk.mine = () => Promise.reject(no);
  await assert.rejects(send(), no);
  assert.equal(unsent, 2);
  desk.mine = () => Promise.resolve({ status: "reverted" });
  await send();
  assert.equal(unsent, 2);
  await assert.rejects(send(), { code: "rate_limited" });
  assert.equal(unsent, 3);
});

Deno.test("what is not mined in time is not waited for any longer, and its turn is gone", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  using _ = { [Symbol.dispose]: () => mock.timers.reset() };
  const desk = openDesk({ perMinute: 1 });
  const sending = Promise.withResolvers<void>();
  desk.mine = () => {
    sending.resolve();
    return new Promise(() => {});
  };
  const sent = desk.send(ANNA);
  await sending.promise;
  await Promise.resolve();
  mock.timers.tick(RELAY_TIMEOUT_MS);
  await assert.rejects(sent, {
    code: "chain_unavailable",
    message: "the message was not mined in time",
    retryAfterSeconds: 10,
  });
  await assert.rejects(desk.send(ANNA), { code: "rate_limited" });
});

/** What is sent at our gas, with an operator that does as the test says. */
import assert from "node:assert/strict";
import { mock } from "node:test";
import type { Address, TransactionReceipt } from "viem";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";

import { escrowCall } from "../../chain/escrow_call.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NETWORK_RELAYS_BURST_MAX,
  NETWORK_RELAYS_PER_SECOND_MAX,
  PAYER_RELAYS_PER_HOUR_MAX,
  PAYER_TRIES_BURST_MAX,
  PAYER_TRIES_PER_SECOND_MAX,
  RELAY_LOOKS_BURST_MAX,
  RELAY_LOOKS_PER_SECOND_MAX,
  RELAY_TIMEOUT_MS,
  RELAY_TRIES_BURST_MAX,
  RELAY_TRIES_PER_SECOND_MAX,
} from "../../limits.ts";
import type { OperatorCall, Sending } from "./operator.ts";
import { type Relay, Relays } from "./relays.ts";

const [ANNA, BERT, CARL] = [4, 5, 6].map((index) => anvilAccount(index).address) as [
  Address,
  Address,
  Address,
];
const CALL = escrowCall(`0x${"ee".repeat(20)}`, "reclaimFor", []);
const MINED = { status: "success" } as const;

function openDesk({ perMinute = 2, knows = false, coinPrice = 0n } = {}) {
  const desk = {
    /** Unix ms. */
    now: 1_700_000_000_000,
    /** "simulate" and "send" as they were asked for. */
    asked: [] as string[],
    sendings: [] as Sending[],
    /** wei. */
    gasPrice: 10n ** 7n,
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
    coinPrice,
    operator: {
      simulate(call) {
        simulating(call);
        return desk.simulate();
      },
      async send(call, how) {
        sending(call);
        desk.sendings.push(how);
        return await desk.mine() as TransactionReceipt;
      },
      gasPrice: () => Promise.resolve(desk.gasPrice),
    },
    ledger: { knows: () => knows },
    payers: { forget: (payer) => void desk.forgotten.push(payer) },
    now: () => desk.now,
  });
  return Object.assign(desk, {
    send: (payer: Address, more: Partial<Relay> = {}) =>
      relays.send({ payer, call: CALL, worth: 10_000n, ...more }),
    admitFrom: (network?: string) => relays.admitFrom(network),
    admitLook: (payer: Address) => relays.admitLook(payer),
    admitTry: (payer: Address) => relays.admitTry(payer),
    costOf: (gas: bigint) => relays.costOf(gas),
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

Deno.test("strangers are looked at so many at once and so many a second", () => {
  const desk = openDesk();
  for (let i = 0; i < RELAY_LOOKS_BURST_MAX; i++) desk.admitLook(ANNA);
  assert.throws(() => desk.admitLook(BERT), { code: "overloaded", retryAfterSeconds: 1 });
  // Who was looked at is tried apart from that.
  desk.admitTry(BERT);
  desk.now += 1_000;
  for (let i = 0; i < RELAY_LOOKS_PER_SECOND_MAX; i++) desk.admitLook(BERT);
  assert.throws(() => desk.admitLook(BERT), { code: "overloaded" });
});

Deno.test("who had a call here is looked at a few at once, and is no trouble to another", () => {
  const desk = openDesk({ knows: true });
  for (let i = 0; i < PAYER_TRIES_BURST_MAX; i++) desk.admitLook(ANNA);
  const isLimited = {
    code: "rate_limited",
    message: "too many messages of one payer are being tried",
    retryAfterSeconds: 1 / PAYER_TRIES_PER_SECOND_MAX,
  };
  for (let i = 0; i < RELAY_LOOKS_BURST_MAX; i++) {
    assert.throws(() => desk.admitLook(ANNA), isLimited);
  }
  desk.admitLook(BERT);
  desk.now += 1_000 / PAYER_TRIES_PER_SECOND_MAX;
  desk.admitLook(ANNA);
  assert.throws(() => desk.admitLook(ANNA), isLimited);
});

Deno.test("all who had a call here together have no more than strangers", () => {
  const desk = openDesk({ knows: true });
  const payerOf = (index: number): Address => `0x${index.toString(16).padStart(40, "0")}`;
  for (let i = 0; i < RELAY_TRIES_BURST_MAX; i++) desk.admitTry(payerOf(i));
  assert.throws(() => desk.admitTry(ANNA), { code: "overloaded", retryAfterSeconds: 1 });
  for (let i = 0; i < RELAY_LOOKS_BURST_MAX; i++) desk.admitLook(payerOf(i));
  assert.throws(() => desk.admitLook(ANNA), { code: "overloaded", retryAfterSeconds: 1 });
  desk.now += 1_000;
  for (let i = 0; i < RELAY_TRIES_PER_SECOND_MAX; i++) desk.admitTry(payerOf(i));
});

Deno.test("one network has its share, and where none is known there is no limit", () => {
  const desk = openDesk();
  for (let i = 0; i < NETWORK_RELAYS_BURST_MAX; i++) desk.admitFrom("192.0.2.7");
  const isLimited = {
    code: "rate_limited",
    message: "too many messages of one network are being tried",
    retryAfterSeconds: 1 / NETWORK_RELAYS_PER_SECOND_MAX,
  };
  assert.throws(() => desk.admitFrom("192.0.2.7"), isLimited);
  desk.admitFrom("198.51.100.9");
  for (let i = 0; i <= NETWORK_RELAYS_BURST_MAX; i++) desk.admitFrom(undefined);
  desk.now += 1_000 / NETWORK_RELAYS_PER_SECOND_MAX;
  desk.admitFrom("192.0.2.7");
});

Deno.test("a relay stands behind settlement and is given gas for what it is worth", async () => {
  const desk = openDesk({ coinPrice: 4_000_000_000n, perMinute: 10 });
  await desk.send(ANNA, { worth: 4_000n });
  const free = openDesk();
  await free.send(ANNA);
  assert.deepEqual([...desk.sendings, ...free.sendings], [
    { rank: "relay", costMax: 10n ** 12n },
    { rank: "relay", costMax: null },
  ]);
  assert.equal(await desk.costOf(100_000n), 4_000n);
  assert.equal(await free.costOf(100_000n), 0n);
});

Deno.test("what is noted of a relay is noted before it is sent, and not for what is not tried", async () => {
  const desk = openDesk({ perMinute: 1 });
  const noted: string[] = [];
  const note = {
    onSend: () => Promise.resolve(void noted.push(desk.asked.join())),
  };
  desk.simulate = () => Promise.reject(new KhachapuriError("chain_refused", "NothingThawing"));
  await assert.rejects(desk.send(ANNA, note));
  desk.simulate = () => Promise.resolve();
  await desk.send(ANNA, note);
  await assert.rejects(desk.send(BERT, note), { code: "rate_limited" });
  assert.deepEqual(noted, ["simulate,simulate"]);
});

Deno.test("who asks hears when nothing was sent, and only then", async () => {
  const desk = openDesk({ perMinute: 1 });
  let unsent = 0;
  const send = () => desk.send(ANNA, { onUnsent: () => unsent++ });
  const no = new KhachapuriError("chain_refused", "InvalidAccountNonce");
  desk.simulate = () => Promise.reject(no);
  await assert.rejects(send(), no);
  desk.simulate = () => Promise.resolve();
  desk.mine = () => Promise.reject(no);
  await assert.rejects(send(), no);
  assert.equal(unsent, 1, "what was not tried was not noted either");
  desk.mine = () => Promise.resolve({ status: "reverted" });
  await send();
  await assert.rejects(send(), { code: "rate_limited" });
  assert.equal(unsent, 1);
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

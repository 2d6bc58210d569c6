/** What a mined batch tells; the rest is seen through a whole settlement (settlement_test.ts). */
import assert from "node:assert/strict";
import { encodeEventTopics, type Hex, type Log as ChainLog, type TransactionReceipt } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { FAKE_ESCROW, fakeChain } from "../../../worlds/chain/fake_chain.ts";
import { selectorOf } from "../../../worlds/chain/fake_escrow.ts";
import { anvilAccount } from "../../../worlds/chain/anvil.ts";
import { hearLog } from "../../../worlds/heard_log.ts";
import type { ChainFact, LaneState } from "../ledger/ledger.ts";
import { Outcomes } from "./outcomes.ts";
import type { Row } from "./rows.ts";

const [PROVIDER, PAYER] = [1, 4].map((n) => anvilAccount(n).address);
const LANE: Hex = `0x${"01".repeat(32)}`;

const KEPT = { permit: { signature: LANE } };

function open() {
  const facts: ChainFact[] = [];
  const state = {
    payer: PAYER!,
    lane: LANE,
    settled: 0n,
    charged: 2n,
    refused: null as string | null,
    permits: [KEPT],
  };
  const ledger = {
    lane: () => Promise.resolve({ ...state } as unknown as LaneState),
    record: (some: readonly ChainFact[]) => Promise.resolve(void facts.push(...some)),
  };
  const fake = fakeChain(PROVIDER!);
  const site = { chain: fake.chain, escrow: FAKE_ESCROW, provider: PROVIDER! };
  const clock = { now: 0 };
  const now = () => clock.now;
  const outcomes = new Outcomes({ ...site, ledger, log: hearLog().log, now });
  return { fake, facts, state, clock, outcomes };
}

const ROWS = [{ lane: { payer: PAYER!, lane: LANE }, charge: KEPT } as unknown as Row];

function skippedFor(reason: string): ChainLog {
  const args = { payer: PAYER!, provider: PROVIDER!, lane: LANE };
  const topics = encodeEventTopics({ abi: escrowAbi, eventName: "ChargeSkipped", args });
  const data = `0x${"0".repeat(63)}2${selectorOf(reason).slice(2).padEnd(64, "0")}`;
  return { address: FAKE_ESCROW, topics, data } as unknown as ChainLog;
}

const CHARGED = {
  address: FAKE_ESCROW,
  topics: encodeEventTopics({ abi: escrowAbi, eventName: "Charged" }),
  data: "0x",
} as unknown as ChainLog;

function receiptOf(logs: ChainLog[], status = "success"): TransactionReceipt {
  return { status, logs, transactionHash: LANE } as TransactionReceipt;
}

Deno.test("a batch that reverted, or hides what became of a row, tells nothing", async () => {
  const { outcomes } = open();
  await assert.rejects(outcomes.land(ROWS, receiptOf([], "reverted")), /reverted/);
  await assert.rejects(outcomes.land(ROWS, receiptOf([])), /does not tell/);
  const foreign = { ...skippedFor("PermitExpired"), address: PAYER! };
  await assert.rejects(outcomes.land(ROWS, receiptOf([foreign])), /does not tell/);
});

Deno.test("a reason of the escrow refuses the lane, a used up day refuses none", async () => {
  const { outcomes, facts } = open();
  assert.equal(await outcomes.land(ROWS, receiptOf([skippedFor("PermitExpired")])), false);
  assert.deepEqual(facts, [
    { fact: "refused", payer: PAYER, lane: LANE, reason: "PermitExpired", transaction: LANE },
  ]);
  assert.equal(await outcomes.land(ROWS, receiptOf([skippedFor("DailyCapReached")])), true);
  assert.equal(facts.length, 1);
});

Deno.test("a skip says nothing of a permit that came meanwhile, nor of a lane that is refused", async () => {
  const { outcomes, facts, state } = open();
  state.permits = [{ permit: { signature: "0x02" } }];
  await outcomes.land(ROWS, receiptOf([skippedFor("PermitExpired")]));
  state.permits = [KEPT];
  state.refused = "PermitExpired";
  await outcomes.land(ROWS, receiptOf([skippedFor("PermitExpired")]));
  assert.deepEqual(facts, []);
});

Deno.test("a skip of what is settled already is no news", async () => {
  const { outcomes, facts, state } = open();
  state.settled = 2n;
  await outcomes.land(ROWS, receiptOf([skippedFor("AlreadyCharged")]));
  assert.deepEqual(facts, []);
});

const PART = skippedFor("InsufficientCredits");

Deno.test("of a lane that the allowance covers in part the part goes next, and the rest is refused", async () => {
  const { outcomes, facts, state, fake } = open();
  const refused = { fact: "refused", payer: PAYER, lane: LANE, transaction: LANE } as const;
  state.charged = 5n;
  fake.allow(PAYER!, 1n, 2n);
  await outcomes.land(ROWS, receiptOf([PART]));
  assert.deepEqual(facts, []);
  assert.deepEqual([outcomes.upTo(state), outcomes.partPayers()], [2n, [PAYER]]);
  state.settled = 1n;
  await outcomes.land(ROWS, receiptOf([CHARGED]));
  assert.equal(outcomes.upTo(state), 2n, "it is not taken yet");
  state.settled = 2n;
  await outcomes.land(ROWS, receiptOf([CHARGED]));
  assert.deepEqual(facts, [{ ...refused, reason: "InsufficientCredits" }]);
  assert.deepEqual([outcomes.upTo(state), outcomes.partPayers()], [undefined, []]);
});

Deno.test("a part that was all there was to settle refuses nothing", async () => {
  const { outcomes, facts, state, fake } = open();
  fake.allow(PAYER!, 1n, 1n);
  await outcomes.land(ROWS, receiptOf([PART]));
  state.settled = 1n;
  state.charged = 1n;
  await outcomes.land(ROWS, receiptOf([CHARGED]));
  assert.deepEqual([facts, outcomes.upTo(state)], [[], undefined]);
});

Deno.test("a part that was refused before, and one of nothing, refuse the lane", async () => {
  const { outcomes, facts, state, fake } = open();
  await outcomes.land(ROWS, receiptOf([PART]));
  assert.equal(facts.length, 1, "nothing is allowed");
  fake.allow(PAYER!, 1n, 1n);
  await outcomes.land(ROWS, receiptOf([PART]));
  assert.equal(facts.length, 1);
  await outcomes.land(ROWS, receiptOf([PART]));
  assert.deepEqual(facts.map((fact) => "reason" in fact && fact.reason), [
    "InsufficientCredits",
    "InsufficientCredits",
  ]);
  assert.equal(outcomes.upTo(state), undefined);
});

Deno.test("parts are forgotten when their payer's allowance changes, or after some hours", async () => {
  const { outcomes, state, fake, clock } = open();
  fake.allow(PAYER!, 1n, 1n);
  await outcomes.land(ROWS, receiptOf([PART]));
  outcomes.forgetParts(PROVIDER!);
  assert.equal(outcomes.upTo(state), 1n);
  outcomes.forgetParts(PAYER!);
  assert.equal(outcomes.upTo(state), undefined);
  await outcomes.land(ROWS, receiptOf([PART]));
  clock.now = 6 * 3_600_000;
  outcomes.forgetOldParts();
  assert.equal(outcomes.upTo(state), 1n);
  clock.now += 1;
  outcomes.forgetOldParts();
  assert.equal(outcomes.upTo(state), undefined);
});

Deno.test("a lane whose row was overtaken is brought level with the escrow", async () => {
  const { outcomes, facts, fake } = open();
  assert.equal(await outcomes.land(ROWS, receiptOf([skippedFor("AlreadyCharged")])), false);
  assert.deepEqual(facts, [
    { fact: "level", payer: PAYER, lane: LANE, settled: 0n, block: fake.height() },
  ]);
});

Deno.test("other events of the escrow in a batch tell of no row", async () => {
  const { outcomes, facts } = open();
  const other = { ...CHARGED, topics: [`0x${"77".repeat(32)}`] } as unknown as ChainLog;
  await assert.rejects(outcomes.land(ROWS, receiptOf([other])), /does not tell/);
  assert.equal(await outcomes.land(ROWS, receiptOf([CHARGED, other])), false);
  await outcomes.land(ROWS, receiptOf([skippedFor("PermitExpired"), other]));
  assert.equal(facts.length, 1);
});

Deno.test("a skip is held against the lane's own permits, whatever other rows were sent by", async () => {
  const { outcomes, facts, state } = open();
  const rowOf = (lane: Hex, signature: Hex) =>
    ({ lane: { payer: PAYER!, lane }, charge: { permit: { signature } } }) as unknown as Row;
  const [own, other] = [rowOf(LANE, "0x02"), rowOf(`0x${"02".repeat(32)}`, LANE)];
  const receipt = receiptOf([skippedFor("PermitExpired"), CHARGED]);
  await outcomes.land([own, other], receipt);
  assert.deepEqual(facts, [], "the lane's permit is another by now");
  state.permits = [KEPT, { permit: { signature: "0x03" } }];
  await outcomes.land([rowOf(LANE, LANE), own], receipt);
  assert.equal(facts.length, 1, "of its rows one was by a permit that it has still");
});

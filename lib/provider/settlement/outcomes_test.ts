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
  const { chain } = fakeChain(PROVIDER!);
  const site = { chain, escrow: FAKE_ESCROW, provider: PROVIDER! };
  return {
    facts,
    state,
    outcomes: new Outcomes({ ...site, ledger, log: hearLog().log, now: () => 0 }),
  };
}

const ROWS = [{ lane: { payer: PAYER!, lane: LANE }, charge: KEPT } as unknown as Row];

function skippedFor(reason: string): ChainLog {
  const args = { payer: PAYER!, provider: PROVIDER!, lane: LANE };
  const topics = encodeEventTopics({ abi: escrowAbi, eventName: "ChargeSkipped", args });
  const data = `0x${"0".repeat(63)}2${selectorOf(reason).slice(2).padEnd(64, "0")}`;
  return { address: FAKE_ESCROW, topics, data } as unknown as ChainLog;
}

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

/** That the escrow in memory is the escrow: whatever is done to both, both tell the same. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeAbiParameters, encodeEventTopics, type Hex } from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { skipReason } from "../../lib/provider/settlement/escrow_events.ts";
import {
  chargeOf,
  LANES,
  messageOf,
  OPENING,
  OPERATORS,
  PAYERS,
  PROVIDERS,
  type Row,
  steps,
} from "./escrow_messages.ts";
import { fakeTwin, type Question, startRealTwins, type Told } from "./escrow_twins.ts";
import "../property_seed.ts";

const RUNS = Number(Deno.env.get("KHACHAPURI_RUNS") ?? 80);
/** Free balance of each payer, USDC base units. */
const BALANCE = 400n;
const START = 2_000_000_000n;

const payers = PAYERS.map(({ address }) => address);
const [provider, other] = PROVIDERS.map(({ address }) => address);

/** All that the escrow can be asked about these people. */
const QUESTIONS: Question[] = [
  ...payers.flatMap((payer) => [
    { functionName: "balanceOf", args: [payer] },
    { functionName: "allowance", args: [payer, provider] },
    ...LANES.flatMap((lane) => [
      { functionName: "consumed", args: [payer, provider, lane] },
      { functionName: "paid", args: [payer, provider, lane] },
    ]),
  ]),
  ...[provider, other].map((address) => ({ functionName: "earned", args: [address] })),
  ...OPERATORS.flatMap(({ address }) => [
    { functionName: "operatorLimits", args: [provider, address] },
    { functionName: "isOperator", args: [provider, address] },
  ]),
];

/** What a row can be refused for: random histories that meet less have shown little. */
const REFUSALS = [
  "AlreadyCharged",
  "DailyCapReached",
  "InsufficientCredits",
  "InvalidSignature",
  "PermitExceeded",
  "PermitExpired",
  "PriceTooHigh",
  "WrongEpoch",
];

const SKIPPED = encodeEventTopics({ abi: escrowAbi, eventName: "ChargeSkipped" })[0];

Deno.test("whatever is done to both, the escrow in memory tells what the real one does", async () => {
  await using real = await startRealTwins(payers, BALANCE);
  const refusals = new Set<string>();
  const property = fc.asyncProperty(
    steps,
    async (steps) => {
      const twins = [await real.fresh(), fakeTwin(provider!, payers, BALANCE)] as const;
      let time = START;
      for (const { after, act } of [...OPENING, ...steps]) {
        time += BigInt(after);
        const [from, call] = await messageOf(act, time);
        const [actual, faked] = await Promise.all(twins.map((twin) => twin.send(from, call, time)));
        assert.deepEqual(wordsOf(faked!), wordsOf(actual!));
        const [standing, stands] = await Promise.all(twins.map((twin) => twin.read(QUESTIONS)));
        assert.deepEqual(stands, standing);
        for (const reason of refusalsIn(actual!)) refusals.add(reason);
      }
    },
  );
  await fc.assert(property, { numRuns: RUNS });
  if (RUNS >= 80) assert.deepEqual([...refusals].sort(), REFUSALS);
});

Deno.test("a batch costs there what it costs in the real one, within a fifteenth", async () => {
  await using real = await startRealTwins(payers, 1_000_000n);
  const twins = [await real.fresh(), fakeTwin(provider!, payers, 1_000_000n)];
  let time = START;
  const send = async (from: Hex, functionName: string, args: unknown[]) => {
    const call = { functionName, args };
    time += 1n;
    return await Promise.all(twins.map((twin) => twin.send(from, call, time)));
  };
  for (const payer of payers) await send(payer, "allow", [provider, 3n, 100_000n]);
  const { address: operator } = OPERATORS[0]!;
  await send(provider!, "setOperator", [operator, Number(START) + 86_400, 0n]);
  const rows = [0, 1, 2].flatMap((payer) => [...Array(20).keys()].map((lane) => ({ payer, lane })));
  const batches: [what: string, changes: Partial<Row>][] = [
    ["new lanes", { credits: 1 }],
    ["lanes that were charged before", { credits: 2 }],
    ["charged already", { credits: 2 }],
    ["too dear", { credits: 3, price: 4 }],
    ["signed by somebody else", { credits: 3, signer: 1 }],
  ];
  for (const [what, changes] of batches) {
    const charges = await Promise.all(
      rows.map(({ lane, ...row }) =>
        chargeOf({ ...PLAIN, ...row, ...changes }, time, `0x${lane.toString(16).padStart(64, "0")}`)
      ),
    );
    const [actual, faked] = await send(operator, "consume", [charges]);
    const ratio = Number(faked!.gas) / Number(actual!.gas);
    assert.ok(ratio > 0.93 && ratio < 1.07, `${what}: ${actual!.gas} gas, ${faked!.gas} in memory`);
  }
});

const PLAIN: Row = {
  payer: 0,
  provider: 0,
  lane: 0,
  signer: 0,
  isForged: false,
  permit: { price: 3, credits: 1_000, deadline: null, epoch: 0 },
  credits: 1,
  price: 3,
};

/** Without gas, which the one in memory knows roughly. */
function wordsOf({ revert, logs }: Told) {
  return { revert, logs };
}

function refusalsIn({ logs }: Told): string[] {
  return logs.filter(({ topics }) => topics[0] === SKIPPED).map(({ data }) => {
    const [, reason] = decodeAbiParameters([{ type: "uint256" }, { type: "bytes4" }], data);
    return skipReason(reason);
  });
}

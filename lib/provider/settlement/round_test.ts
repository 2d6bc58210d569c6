import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { UINT64_MAX } from "../../permit.ts";
import type { DueLane } from "../ledger/ledger.ts";
import { Round, type RoundTerms } from "./round.ts";
import type { Row } from "./rows.ts";
import type { Turn } from "./turn.ts";

const PAYER: Address = `0x${"aa".repeat(20)}`;
const laneOf = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;

const TERMS: RoundTerms = {
  now: 1_000,
  gasPrice: 0n,
  coinPrice: 0n,
  intervalSeconds: 60,
  windowSeconds: 120,
  rowGas: 40_000n,
  batchGas: 60_000n,
  batchRows: 3,
  isPatient: true,
};
/** A row costs 40 base units, a batch 60 besides. */
const COSTLY = { ...TERMS, gasPrice: 1_000_000_000n, coinPrice: 1_000_000n };

function due(n: number, more: Partial<DueLane> = {}): DueLane {
  const rest = { deadline: UINT64_MAX, epoch: 0, settled: 0n, amount: 5n, ...more };
  return { payer: PAYER, lane: laneOf(n), since: 900_000, ...rest };
}

/** One row that comes to what the snapshot says. */
const oneRow = ({ due }: Turn): Promise<Row[]> =>
  Promise.resolve([{ lane: due, charge: { price: due.amount }, fresh: 1n } as unknown as Row]);

async function batchesOf(round: Round): Promise<Hex[][]> {
  const batches: Hex[][] = [];
  while (!round.isOver) {
    const batch = await round.next(oneRow);
    if (batch) batches.push(batch.rows.map(({ lane }) => lane.lane));
  }
  return batches;
}

Deno.test("batches take the earliest turns, as many rows as fit one", async () => {
  const lanes = [
    due(1),
    due(2, { since: 800_000 }),
    due(3, { deadline: 1_009n }),
    due(4, { since: 950_000 }),
  ];
  const round = await Round.open(lanes, new Map(), TERMS);
  assert.equal(round.behindSeconds, 140, "since 800, an interval of 60");
  const batches = [[2, 3, 1], [4]].map((numbers) => numbers.map(laneOf));
  assert.deepEqual(await batchesOf(round), batches);
});

Deno.test("a thaw that ends soon puts a debt first", async () => {
  const other: Address = `0x${"bb".repeat(20)}`;
  const lanes = [due(1), due(2), due(3), { ...due(4), payer: other }];
  const ends = new Map([[other, { epoch: 0, epochEnd: 0n, thawEnd: 1_050n }]]);
  const [first] = await batchesOf(await Round.open(lanes, ends, TERMS));
  assert.equal(first![0], laneOf(4));
});

Deno.test("what is not worth its gas waits, and is told with its sum", async () => {
  const lanes = [due(1, { amount: 399n }), due(2, { amount: 400n }), due(3, { amount: 601n })];
  const round = await Round.open(lanes, new Map(), COSTLY);
  assert.deepEqual(round.waiting, { lanes: 1, amount: 399n });
  assert.deepEqual(await batchesOf(round), []);
  const small = [due(1, { amount: 399n }), due(2, { amount: 1n })];
  const { waiting } = await Round.open(small, new Map(), COSTLY);
  assert.deepEqual(waiting, { lanes: 2, amount: 400n });
  const more = await Round.open([...lanes, due(4, { amount: 800n })], new Map(), COSTLY);
  const batch = await more.next(oneRow);
  assert.equal(batch!.rows.length, 3, "together they bear the batch");
});

Deno.test("who does not wait settles what is worth its gas alone", async () => {
  const round = await Round.open([due(1, { amount: 100n })], new Map(), {
    ...COSTLY,
    isPatient: false,
  });
  const batch = await round.next(oneRow);
  const [{ rows, ...debt }, ...others] = batch!.debts as [NonNullable<typeof batch>["debts"][0]];
  assert.deepEqual([debt, rows.length, others.length], [{ amount: 100n, canWait: false }, 1, 0]);
});

Deno.test("a lane that has shrunk since, or goes another way, is left out", async () => {
  const round = await Round.open([due(1), due(2), due(3)], new Map(), TERMS);
  const batch = await round.next(async (turn) =>
    turn.due.lane === laneOf(2) ? [] : await oneRow(turn)
  );
  assert.equal(batch!.rows.length, 2);
  assert.equal(batch!.debts.length, 2);
  const gone = await Round.open([due(1)], new Map(), TERMS);
  assert.equal(await gone.next(() => Promise.resolve([])), null);
});

Deno.test("a lane of many rows fills a batch, and has to be worth all of its rows", async () => {
  const rows = async (turn: Turn) => {
    const [row] = await oneRow(turn);
    return Array.from({ length: 5 }, () => row!);
  };
  const free = await Round.open([due(1)], new Map(), TERMS);
  assert.equal((await free.next(rows))!.rows.length, 3);
  const costly = await Round.open([due(1, { amount: 599n })], new Map(), COSTLY);
  assert.equal(await costly.next(rows), null, "three rows cost 120, of 1,797 a tenth is at hand");
  const rich = due(2, { amount: 5_000n, since: 950_000 });
  const two = await Round.open([due(1, { amount: 900n }), rich], new Map(), COSTLY);
  const batch = await two.next(async (turn) => {
    const [own] = await oneRow(turn);
    const nothing = { ...own!, fresh: 0n };
    return turn.due === rich ? [own!] : [own!, nothing, nothing];
  });
  assert.equal(batch!.rows.length, 1, "another bears the batch, not their rows");
  const worth = await Round.open([due(1, { amount: 600n })], new Map(), COSTLY);
  assert.equal((await worth.next(rows))!.rows.length, 3);
});

Deno.test("a round tells whether the next debt can wait, and how late it is", async () => {
  const soon = await Round.open([due(1, { since: 990_000 })], new Map(), TERMS);
  assert.deepEqual([soon.canWait, soon.behindSeconds], [true, 0]);
  const ending = await Round.open([due(1, { deadline: 1_100n })], new Map(), TERMS);
  assert.deepEqual([ending.canWait, ending.behindSeconds], [false, 40]);
  const none = await Round.open([], new Map(), TERMS);
  assert.deepEqual([none.isOver, none.canWait, none.behindSeconds], [true, false, 0]);
});

Deno.test("a snapshot of many lanes lets others have their turn", async () => {
  let turns = 0;
  const count = () => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const lanes = Array.from({ length: 20_000 }, (_, n) => due(n));
  await Round.open(lanes, new Map(), TERMS);
  clearImmediate(timer);
  assert.ok(turns >= 8 && turns < 100, `${turns}`);
});

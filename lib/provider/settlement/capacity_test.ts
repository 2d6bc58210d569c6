import assert from "node:assert/strict";
import { BATCH_GAS, BATCH_ROWS, Capacity, NEW_ROW_GAS } from "./capacity.ts";

const block = (number: bigint, timestamp: bigint, gasLimit = 30_000_000n) => ({
  number,
  timestamp,
  gasLimit,
});

Deno.test("a batch fills its share of a block, and never more than a node passes on", () => {
  assert.equal(new Capacity(1).shareOfBlock(), 30_000_000n, "until a block is seen");
  const capacity = new Capacity(0.5);
  capacity.noteBlock(block(1n, 1n, 4_000_000n));
  assert.equal(capacity.shareOfBlock(), 2_000_000n);
  assert.equal(capacity.batchRows(), Number((2_000_000n - BATCH_GAS) / NEW_ROW_GAS));
  capacity.noteBlock(block(2n, 2n, 400_000_000n));
  assert.equal(capacity.batchRows(), BATCH_ROWS);
  capacity.noteBlock(block(3n, 3n, 1_000n));
  assert.equal(capacity.batchRows(), 1);
  assert.equal(capacity.secondsFor(3), 36, "a row in each block");
});

Deno.test("what rows take is measured: up at once, down slowly, within what is possible", () => {
  const capacity = new Capacity(0.5);
  capacity.noteBatch(10, BATCH_GAS + 200_000n);
  const eased = (NEW_ROW_GAS * 7n + 20_000n) / 8n;
  assert.equal(capacity.rowGas(), eased);
  capacity.noteBatch(10, BATCH_GAS + 390_000n);
  assert.equal(capacity.rowGas(), 39_000n);
  capacity.noteBatch(1, 10_000_000n);
  assert.equal(capacity.rowGas(), NEW_ROW_GAS);
  capacity.noteBatch(10, 1n);
  assert.equal(capacity.rowGas(), NEW_ROW_GAS * 7n / 8n);
  for (let n = 0; n < 100; n++) capacity.noteBatch(10, 1n);
  assert.equal(capacity.rowGas(), 15_000n);
});

Deno.test("how long rows take follows the pace of blocks", () => {
  const capacity = new Capacity(0.5);
  capacity.noteBlock(block(100n, 1_000n));
  // A batch that does not fit any more is the next block's.
  const perBlock = Number((15_000_000n - BATCH_GAS) / NEW_ROW_GAS) - BATCH_ROWS;
  assert.equal(capacity.secondsFor(perBlock), 12, "slow, until the chain has shown it");
  capacity.noteBlock(block(104n, 1_008n));
  assert.equal(capacity.secondsFor(1), 12, "too few blocks to tell");
  capacity.noteBlock(block(105n, 1_010n));
  assert.equal(capacity.secondsFor(perBlock), 2);
  assert.equal(capacity.secondsFor(perBlock + 1), 4);
  assert.equal(capacity.secondsFor(10 * perBlock), 20);
  capacity.noteBlock(block(110n, 1_015n));
  assert.equal(capacity.secondsFor(10 * perBlock), 10, "it is the pace of the last blocks");
  capacity.noteBlock(block(115n, 9_010n));
  assert.equal(
    capacity.secondsFor(1),
    12,
    "a chain without traffic makes blocks when there is some",
  );
});

Deno.test("of a share that holds one batch, half is counted on", () => {
  const capacity = new Capacity(0.5);
  capacity.noteBlock(block(1n, 1n, 2n * (BATCH_GAS + 10n * NEW_ROW_GAS)));
  assert.equal(capacity.secondsFor(5), 12);
  assert.equal(capacity.secondsFor(6), 24);
});

Deno.test("blocks of fractions of a second are told in whole seconds", () => {
  const capacity = new Capacity(0.5);
  capacity.noteBlock(block(100n, 1_000n));
  capacity.noteBlock(block(140n, 1_010n));
  assert.equal(capacity.secondsFor(1), 1);
});

Deno.test("a chain that went back is measured anew", () => {
  const capacity = new Capacity(0.5);
  capacity.noteBlock(block(100n, 1_000n));
  capacity.noteBlock(block(90n, 990n));
  capacity.noteBlock(block(95n, 995n));
  assert.equal(capacity.secondsFor(1), 1);
});

Deno.test("how long rows take follows what is learned, however often it was asked before", () => {
  const capacity = new Capacity(0.5);
  const rows = 10_000;
  const before = capacity.secondsFor(rows);
  for (let n = 0; n < 50; n++) capacity.noteBatch(100, BATCH_GAS + 100n * 20_000n);
  const cheaper = capacity.secondsFor(rows);
  assert.ok(cheaper < before, `${cheaper}`);
  capacity.noteBlock(block(1n, 1n, 300_000_000n));
  assert.ok(capacity.secondsFor(rows) < cheaper / 5);
});

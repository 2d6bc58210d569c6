import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { amountOf, fitting, keyOf, type Row, sideBySide } from "./rows.ts";

const [A, B]: [Address, Address] = [`0x${"aa".repeat(20)}`, `0x${"bb".repeat(20)}`];
const LANE: Hex = `0x${"01".repeat(32)}`;

function row(payer: Address, credits: bigint, fresh: bigint, price: bigint): Row {
  return { lane: { payer, lane: LANE }, charge: { credits, price }, fresh } as Row;
}

const paper = ({ lane: { payer }, charge: { credits, price }, fresh }: Row) =>
  [payer, credits, fresh, price] as const;

Deno.test("rows come to their fresh credits at their prices", () => {
  assert.equal(amountOf([row(A, 9n, 2n, 5n), row(B, 1n, 1n, 7n)]), 17n);
  assert.equal(amountOf([]), 0n);
});

Deno.test("a payer's rows stand side by side, a lane's in their order", () => {
  const rows = [row(B, 1n, 1n, 1n), row(A, 2n, 1n, 1n), row(B, 3n, 2n, 1n), row(A, 4n, 2n, 1n)];
  assert.deepEqual(sideBySide(rows).map(({ lane, charge }) => [lane.payer, charge.credits]), [
    [A, 2n],
    [A, 4n],
    [B, 1n],
    [B, 3n],
  ]);
});

Deno.test("of the row that an amount cuts as much is taken as fits, and nothing after it", () => {
  const rows = [row(A, 5n, 3n, 10n), row(A, 9n, 4n, 10n), row(B, 2n, 2n, 4n)];
  assert.deepEqual(
    fitting(rows, 100n).map(paper),
    rows.map(paper).toSpliced(2, 1, [B, 2n, 2n, 4n]),
  );
  assert.deepEqual(fitting(rows, 59n).map(paper), [
    [A, 5n, 3n, 10n],
    [A, 7n, 2n, 10n],
    [B, 2n, 2n, 4n],
  ]);
  assert.deepEqual(fitting(rows, 29n).map(paper), [[A, 4n, 2n, 10n], [B, 2n, 2n, 4n]]);
  assert.deepEqual(fitting(rows, 3n), []);
  const cheaper = [row(A, 5n, 3n, 10n), row(A, 9n, 4n, 1n)];
  assert.deepEqual(fitting(cheaper, 25n).map(paper), [[A, 4n, 2n, 10n]]);
  assert.deepEqual(fitting([row(A, 5n, 3n, 0n)], 0n).map(paper), [[A, 5n, 3n, 0n]]);
});

Deno.test("a lane is told apart by its payer and its number", () => {
  assert.notEqual(keyOf({ payer: A, lane: LANE }), keyOf({ payer: B, lane: LANE }));
});

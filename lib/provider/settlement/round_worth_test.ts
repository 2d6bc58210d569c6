/** Debts that are not worth a batch keep nobody else's from theirs. */
import assert from "node:assert/strict";
import type { Address, Hex } from "viem";
import { UINT64_MAX } from "../../permit.ts";
import type { DueLane } from "../ledger/ledger.ts";
import { Round, type RoundTerms } from "./round.ts";
import type { Row } from "./rows.ts";
import type { Turn } from "./turn.ts";

const laneOf = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;
/** A row costs 40 base units, a batch 60 besides. */
const COSTLY: RoundTerms = {
  now: 1_000,
  gasPrice: 1_000_000_000n,
  coinPrice: 1_000_000n,
  intervalSeconds: 60,
  windowSeconds: 120,
  rowGas: 40_000n,
  batchGas: 60_000n,
  batchRows: 120,
  isPatient: false,
};
const oneRow = ({ due }: Turn): Promise<Row[]> =>
  Promise.resolve([{ lane: due, charge: { price: due.amount }, fresh: 1n } as unknown as Row]);

Deno.test("a full batch of dust that is not worth sending does not end the round", async () => {
  const payer: Address = `0x${"aa".repeat(20)}`;
  const owed = { deadline: UINT64_MAX, epoch: 0, settled: 0n, amount: 40n };
  const dust: DueLane[] = Array.from({ length: 120 }, (_, n) => (
    { payer, lane: laneOf(n), since: 800_000, ...owed }
  ));
  const debt = { ...dust[0]!, lane: laneOf(900), since: 900_000, amount: 1_000_000n };
  const round = await Round.open([...dust, debt], new Map(), COSTLY);
  const batch = await round.next(oneRow);
  assert.ok(batch?.rows.some(({ lane }) => lane.lane === debt.lane), "the debt was dropped");
});

/** Steps of the random histories in lib/provider/settlement/payments_test.ts, and who plays. */
import fc from "fast-check";
import type { Hex } from "viem";
import { anvilAccount } from "./anvil.ts";

export const PAYERS = [anvilAccount(3), anvilAccount(4)];
export const LANES = ["aa", "bb", "cc"].map((byte): Hex => `0x${byte.repeat(32)}`);
/** Credits of the permits that a payer signs on each lane. */
export const PERMITS = [2n, 6n, 1_000n];

/** What may happen, to whom. */
export type Step =
  /** `age`: how many epochs the permit lags behind those that are signed now. */
  | { do: "call"; payer: number; lane: number; permit: number; age: number }
  | { do: "burst"; payer: number; lane: number; calls: number }
  | { do: "charge" | "release"; nth: number }
  | { do: "allow" | "revoke"; payer: number; credits: number }
  | { do: "reclaim" | "take permits back"; payer: number }
  | { do: "reorganise"; depth: number; keeps: boolean }
  | { do: "settle" | "hear" | "crash" | "silence" };

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      payer: fc.nat(PAYERS.length - 1),
      lane: fc.nat(LANES.length - 1),
      permit: fc.nat(PERMITS.length - 1),
      age: fc.constantFrom(0, 0, 1, 2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("burst" as const),
      payer: fc.nat(PAYERS.length - 1),
      lane: fc.nat(LANES.length - 1),
      calls: fc.integer({ min: 2, max: 6 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom("charge", "charge", "release"), nth: fc.nat(20) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom("allow", "allow", "revoke"),
      payer: fc.nat(PAYERS.length - 1),
      credits: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("reclaim" as const), payer: fc.nat(PAYERS.length - 1) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("take permits back" as const),
      payer: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("reorganise" as const),
      depth: fc.integer({ min: 1, max: 6 }),
      keeps: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("settle", "hear", "hear", "crash", "silence") }),
  },
);

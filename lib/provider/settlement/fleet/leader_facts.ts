/** What the node that settles tells the others with each beat, as JSON. */
import * as v from "valibot";
import { uintShape } from "../../../shape.ts";
import type { LeaderFacts } from "../../fleet/leadership.ts";
import type { OperatorLimits } from "../../ledger/operator_room.ts";
import type { SettlingPace } from "../pace.ts";

/** Amounts are USDC base units. */
export interface SettlingFacts extends SettlingPace {
  /** What the operator may settle, with what is on its way; null: whatever there is. */
  readonly operator: OperatorLimits | null;
  readonly unsettled: bigint;
  readonly dueLanes: number;
  readonly behindSeconds: number;
  /** Transactions that are neither mined nor dropped. */
  readonly pending: number;
  /** The newest block of which all is written down; null before the first. */
  readonly head: bigint | null;
  /** How long ago the chain was heard of, ms; null: never. */
  readonly chainAgeMs: number | null;
}

const uint = uintShape(256);
const limitsShape = v.object({ expiry: uint, dailyCap: uint, spent: uint, day: uint });

const factsShape = v.object({
  windowSeconds: uint,
  mostSeconds: v.number(),
  rowSeconds: v.number(),
  rowWorth: uint,
  operator: v.nullable(limitsShape),
  unsettled: uint,
  dueLanes: v.number(),
  behindSeconds: v.number(),
  pending: v.number(),
  head: v.nullable(uint),
  chainAgeMs: v.nullable(v.number()),
});

export function toLeaderFacts({ operator, ...facts }: SettlingFacts): LeaderFacts {
  return { ...texts(facts), operator: operator && texts(operator) };
}

/** Null for what is none, of a leader that has told nothing yet say. */
export function fromLeaderFacts(facts: LeaderFacts): SettlingFacts | null {
  const parsed = v.safeParse(factsShape, facts);
  return parsed.success ? parsed.output : null;
}

/** JSON has no words for these. */
function texts(values: object): LeaderFacts {
  return Object.fromEntries(
    Object.entries(values).map((
      [name, value],
    ) => [name, typeof value === "bigint" ? String(value) : value]),
  );
}

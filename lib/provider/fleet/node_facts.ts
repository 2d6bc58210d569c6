/**
 * What a node tells of itself with each beat of its session, for a person who looks at the fleet. A
 * node of another release tells more or less of it; what it does not tell is null.
 */
import * as v from "valibot";
import type { NodeFacts } from "./sessions.ts";

/** Amounts are USDC base units, times Unix ms by the node's own clock. */
export interface NodeState {
  readonly startedAtMs: number;
  /** Its clock as it tells this. */
  readonly clockMs: number;
  /** Of a credit. */
  readonly price: bigint;
  readonly isDraining: boolean;
  /** Under way, and how many there may be at once. */
  readonly runs: number;
  readonly slots: number;
  readonly sandboxes: number;
  /** Of runs under way. */
  readonly heldUsdc: bigint;
  /** Held for runs that are yet to come. */
  readonly aheadCredits: number;
  readonly aheadUsdc: bigint;
  /** The newest block that it has followed, and how old its view of the chain is. */
  readonly block: bigint;
  readonly chainAgeMs: number;
  /** How far it has read what nodes share (schema/shared.ts). */
  readonly seen: number;
  /** Since when it leads; null: it does not. */
  readonly leadsSinceMs: number | null;
}

export type ToldState = { readonly [Name in keyof NodeState]: NodeState[Name] | null };

const number = v.fallback(v.nullable(v.pipe(v.number(), v.finite())), null);
const amountText = v.pipe(
  v.string(),
  v.regex(/^[0-9]{1,30}$/),
  v.transform((text) => BigInt(text)),
);
const amount = v.fallback(v.nullable(amountText), null);

const stateShape = v.object({
  startedAtMs: number,
  clockMs: number,
  price: amount,
  isDraining: v.fallback(v.nullable(v.boolean()), null),
  runs: number,
  slots: number,
  sandboxes: number,
  heldUsdc: amount,
  aheadCredits: number,
  aheadUsdc: amount,
  block: amount,
  chainAgeMs: number,
  seen: number,
  leadsSinceMs: number,
});

/** As JSON has it; a node that begins knows little of it yet. */
export function toNodeFacts(state: Partial<NodeState>): NodeFacts {
  const told = Object.entries(state).map(([name, value]) =>
    [name, typeof value === "bigint" ? String(value) : value] as const
  );
  return Object.fromEntries(told);
}

export function fromNodeFacts(facts: NodeFacts): ToldState {
  return v.parse(stateShape, facts);
}

/** What a history's calls are named, and how they stand among each other. */
import type { Standing } from "../../lib/chain/outbox/store.ts";

/** A relay is worth nothing here: at a floor of 1 it gives way, or waits. */
export const STANDINGS = {
  settlement: { rank: "settlement", costMax: null },
  relay: { rank: "relay", costMax: 0n },
} as const;

export const nameOf = (rank: "settlement" | "relay", count: number) =>
  rank === "relay" ? `relay ${count}` : `call ${count}`;

export const isRelay = (call: string) => call.startsWith("relay");
export const isFiller = (call: string) => call.startsWith("filler");

export function standingOf(call: string): Standing {
  if (isFiller(call)) return { rank: "filler", costMax: null };
  return STANDINGS[isRelay(call) ? "relay" : "settlement"];
}

/** Calls that were sent. */
export const countCalls = ({ calls }: { calls: object }) =>
  Object.keys(calls).filter((name) => !isFiller(name)).length;

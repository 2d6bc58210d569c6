/**
 * When a debt is to be settled: its turn. The earliest goes first, whoever owes it and whatever
 * else is owed, so nobody's debt waits behind another that came later and could wait as long.
 */
import type { Allowance } from "../../chain/escrow.ts";
import { Heap, type Heaped } from "../../heap.ts";
import type { DueLane } from "../ledger/ledger.ts";

/** A lane that is due, with its turn. Both times are Unix seconds. */
export interface Turn {
  readonly due: DueLane;
  /** By then it should be on its way. */
  readonly at: number;
  /** From then on the escrow may refuse it: the permit's end, its epoch's, or the thaw's. */
  readonly end: number;
}

/** Of an allowance, what ends what it covers. */
export type Ends = Readonly<Pick<Allowance, "epoch" | "epochEnd" | "thawEnd">>;

/**
 * A debt's turn is an interval after its oldest credit was charged, or a window before its end.
 * @param ends what the payer has given notice of; undefined when nothing is known of it
 */
export function turnOf(
  due: DueLane,
  ends: Ends | undefined,
  { intervalSeconds, windowSeconds }: { intervalSeconds: number; windowSeconds: number },
): Turn {
  const end = endOf(due, ends);
  return { due, at: Math.min(due.since / 1_000 + intervalSeconds, end - windowSeconds), end };
}

function endOf({ deadline, epoch }: DueLane, ends: Ends | undefined): number {
  // The escrow takes a permit until its deadline has passed.
  let end = Number(deadline) + 1;
  if (!ends) return end;
  if (ends.epochEnd > 0n && epoch === ends.epoch) end = Math.min(end, Number(ends.epochEnd));
  if (ends.thawEnd > 0n) end = Math.min(end, Number(ends.thawEnd));
  return end;
}

/** Turns, the earliest first; a heap, as a whole order would stop the event loop for too long. */
export class TurnQueue {
  readonly #turns = new Heap<Turn & Heaped>(isBefore);

  get size(): number {
    return this.#turns.size;
  }

  push(turn: Turn): void {
    this.#turns.add({ ...turn, heapAt: -1 });
  }

  peek(): Turn | undefined {
    return this.#turns.first() ?? undefined;
  }

  pop(): Turn | undefined {
    const first = this.#turns.first();
    if (first) this.#turns.remove(first);
    return first ?? undefined;
  }
}

/** Of two turns at the same time that of the debt that ends first comes first. */
function isBefore(one: Turn, other: Turn): boolean {
  return one.at < other.at || one.at === other.at && one.end < other.end;
}

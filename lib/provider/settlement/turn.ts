/**
 * When a debt is to be settled: its turn. The earliest goes first, whoever owes it and whatever
 * else is owed, so nobody's debt waits behind another that came later and could wait as long.
 */
import type { Allowance } from "../../chain/escrow.ts";
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
  readonly #turns: Turn[] = [];

  get size(): number {
    return this.#turns.length;
  }

  push(turn: Turn): void {
    const turns = this.#turns;
    let at = turns.push(turn) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(turn, turns[above]!)) break;
      turns[at] = turns[above]!;
      at = above;
    }
    turns[at] = turn;
  }

  peek(): Turn | undefined {
    return this.#turns[0];
  }

  pop(): Turn | undefined {
    const turns = this.#turns;
    const first = turns[0];
    const last = turns.pop();
    if (!last || turns.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= turns.length) break;
      const next = turns[below + 1];
      if (next && isBefore(next, turns[below]!)) below += 1;
      if (!isBefore(turns[below]!, last)) break;
      turns[at] = turns[below]!;
      at = below;
    }
    turns[at] = last;
    return first;
  }
}

/** Of two turns at the same time that of the debt that ends first comes first. */
function isBefore(one: Turn, other: Turn): boolean {
  return one.at < other.at || one.at === other.at && one.end < other.end;
}

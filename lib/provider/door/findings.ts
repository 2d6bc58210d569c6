/** What looks at a provider's machine find: each part good, doubtful or bad, and what to do. */
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";

/** What one look found. */
export interface Finding {
  part: string;
  state: "good" | "doubtful" | "bad";
  detail: string;
  /** What to do about it. */
  hints: readonly string[];
  /** Why it is bad. */
  error?: KhachapuriError;
}

/** Good news, or with hints: works, but. */
export interface Look {
  detail: string;
  hints?: readonly string[];
  /** What would be better still; it is good without. */
  advice?: readonly string[];
}

export class Findings {
  readonly #all: Finding[] = [];
  readonly #order: readonly string[];

  /** @param order in which parts are told whose looks go on side by side; others come after them */
  constructor(order: readonly string[] = []) {
    this.#order = order;
  }

  get all(): Finding[] {
    return this.#all.toSorted((one, other) => this.#rankOf(one) - this.#rankOf(other));
  }

  #rankOf({ part }: Finding): number {
    const rank = this.#order.indexOf(part);
    return rank < 0 ? this.#order.length : rank;
  }

  /** Looks at a part; null when it is bad. */
  async look<Seen extends Look>(part: string, check: () => Promise<Seen>): Promise<Seen | null> {
    try {
      const seen = await check();
      const { detail, hints = [], advice = [] } = seen;
      const state = hints.length > 0 ? "doubtful" : "good";
      this.#all.push({ part, state, detail, hints: [...hints, ...advice] });
      return seen;
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      const { shortMessage: detail, hints } = error;
      this.#all.push({ part, state: "bad", detail, hints, error });
      return null;
    }
  }
}

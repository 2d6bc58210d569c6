/** What looks at a provider's machine find: each part good, doubtful or bad, and what to do. */
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";

/** What one look found. */
export interface Finding {
  part: string;
  state: "good" | "doubtful" | "bad";
  detail: string;
  /** What to do about it. */
  hints: readonly string[];
  /** Why it is bad. */
  error?: KhachapuriError;
  /** Facts for programs. */
  data?: Readonly<Record<string, unknown>>;
}

/** Good news, or with hints: works, but. */
export interface Look {
  detail: string;
  hints?: readonly string[];
  /** What would be better still; it is good without. */
  advice?: readonly string[];
  /** Facts for programs. */
  data?: Readonly<Record<string, unknown>>;
}

export class Findings {
  readonly #all: Finding[] = [];

  /**
   * @param order in which parts are told whose looks go on side by side; others come after them
   * @param lookMs how long a look may take; null: any time
   */
  constructor(
    private readonly order: readonly string[] = [],
    private readonly lookMs: number | null = null,
  ) {}

  get all(): Finding[] {
    return this.#all.toSorted((one, other) => this.#rankOf(one) - this.#rankOf(other));
  }

  #rankOf({ part }: Finding): number {
    const rank = this.order.indexOf(part);
    return rank < 0 ? this.order.length : rank;
  }

  /** Looks at a part; null when it is bad. */
  async look<Seen extends Look>(part: string, check: () => Promise<Seen>): Promise<Seen | null> {
    try {
      const seen = await this.#inTime(check());
      const { detail, hints = [], advice = [], data } = seen;
      const state = hints.length > 0 ? "doubtful" : "good";
      const told = { part, state, detail, hints: [...hints, ...advice] } as const;
      this.#all.push(data ? { ...told, data } : told);
      return seen;
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      const { shortMessage: detail, hints } = error;
      this.#all.push({ part, state: "bad", detail, hints, error });
      return null;
    }
  }

  async #inTime<Seen>(seen: Promise<Seen>): Promise<Seen> {
    const { lookMs } = this;
    if (lookMs === null) return await seen;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(
        new KhachapuriError("provider_unavailable", `no answer within ${lookMs / 1_000} s`, {
          hints: ["try again; what is asked, a node or a gateway, may hang"],
        }),
      );
    }, lookMs);
    // What comes too late is nobody's any more.
    seen.catch(() => {});
    return await Promise.race([seen, late.promise]).finally(() => clearTimeout(timer));
  }
}

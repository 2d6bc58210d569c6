/** What JSON-RPC endpoints were asked, and how long they took. */
import { Distribution } from "../distribution.ts";

export type RpcOutcome = "answered" | "failed";

/** Of one answer, seconds. */
const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const METHOD = /^(eth_[A-Za-z]{1,40}|batch)$/;
/** More methods than are ever used here; so many are told apart. */
const METHODS_TOLD = 40;

export class RpcUsage {
  readonly seconds = new Distribution(SECONDS);
  readonly #counts = new Map<string, Record<RpcOutcome, number>>();

  /** @param method of JSON-RPC, or "batch" */
  note(method: string, outcome: RpcOutcome, ms: number): void {
    this.seconds.note(ms / 1_000);
    const isTold = METHOD.test(method) &&
      (this.#counts.has(method) || this.#counts.size < METHODS_TOLD);
    const told = isTold ? method : "other";
    const counts = this.#counts.get(told) ?? { answered: 0, failed: 0 };
    counts[outcome] += 1;
    this.#counts.set(told, counts);
  }

  requests(): { method: string; outcome: RpcOutcome; count: number }[] {
    return [...this.#counts].flatMap(([method, { answered, failed }]) => [
      { method, outcome: "answered", count: answered } as const,
      { method, outcome: "failed", count: failed } as const,
    ]);
  }
}

/** Requests as they were answered, for `/metrics`. */
import type { ErrorCode } from "../../errors.ts";
import { counterOf, histogramOf } from "./catalog.ts";
import type { Metric } from "./metrics.ts";

/** What was asked: a call of a deployment, or one of the provider's own paths. */
export type RequestKind = "call" | "own";

export class RequestUsage {
  readonly metrics: readonly Metric[];
  readonly #responses = counterOf("khachapuri_responses_total");
  readonly #refusals = counterOf("khachapuri_refusals_total");
  readonly #own = counterOf("khachapuri_own_requests_total");
  readonly #seconds = histogramOf("khachapuri_request_seconds");
  readonly #times = {
    call: this.#seconds.at({ class: "call" }),
    own: this.#seconds.at({ class: "own" }),
    refused: this.#seconds.at({ class: "refused" }),
  };

  constructor() {
    this.metrics = [
      this.#responses.metric,
      this.#refusals.metric,
      this.#own.metric,
      this.#seconds.metric,
    ];
  }

  /** @param ms from the request's head to its answer's */
  answered(status: number, kind: RequestKind, code: ErrorCode | null, ms: number): void {
    this.#responses.add({ status: String(status) });
    if (code !== null) this.#refusals.add({ code });
    this.#times[code === null ? kind : "refused"].note(ms / 1_000);
  }

  /** @param path of those that there are, never as it was sent */
  own(path: string, isDone: boolean): void {
    this.#own.add({ path, outcome: isDone ? "done" : "refused" });
  }
}

/**
 * Whether this process takes calls, for whoever spreads them over several: `/readyz`. Apart from
 * `/healthz`, which says what a person must look at: a provider that is in trouble may still be the
 * only one to serve, and one that is well may be about to end.
 */

/** "starting" until it listens, "draining" from the moment at which calls should go elsewhere. */
export type ReadyState = "starting" | "ready" | "draining";

export class Readiness {
  #state: ReadyState = "starting";

  get state(): ReadyState {
    return this.#state;
  }

  isReady(): boolean {
    return this.#state === "ready";
  }

  /** It listens; one that drains takes no calls again. */
  begin(): void {
    if (this.#state === "starting") this.#state = "ready";
  }

  /** It ends, or hands over to another process. */
  drain(): void {
    this.#state = "draining";
  }
}

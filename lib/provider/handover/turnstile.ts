/**
 * Where requests go: to the routes of this process, or to those of the one that took its place.
 * While the books are on their way nobody can answer, so requests wait here, and none is lost.
 */
import { KhachapuriError } from "../../errors.ts";
import { HANDOVER_WAIT_MS } from "../../limits_of_handover.ts";
import { within } from "../../within.ts";
import { failureOf } from "../http/failure.ts";
import type { Handle, HttpRequest } from "../http/request.ts";

export class Turnstile {
  #handle: Handle | null = null;
  #opening = Promise.withResolvers<Handle>();
  #heldSince: number | null = null;

  /** @param waitMs how long a request may wait */
  constructor(private readonly waitMs = HANDOVER_WAIT_MS) {}

  readonly handle: Handle = (request) => {
    return this.#handle ? this.#handle(request) : this.#wait(request);
  };

  /** What comes from now on waits. */
  hold(): void {
    if (!this.#handle) return;
    this.#handle = null;
    this.#opening = Promise.withResolvers();
    this.#heldSince = performance.now();
  }

  /** What waits, and what comes from now on, goes to `handle`. @returns how long it waited, ms */
  lead(handle: Handle): number {
    const since = this.#heldSince;
    this.#handle = handle;
    this.#heldSince = null;
    this.#opening.resolve(handle);
    return since === null ? 0 : performance.now() - since;
  }

  async #wait(request: HttpRequest) {
    const handle = await within(this.#opening.promise, this.waitMs);
    return handle === "late" ? failureOf(changing(), null) : await handle(request);
  }
}

function changing(): KhachapuriError {
  return new KhachapuriError("overloaded", "the provider starts anew", {
    retryAfterSeconds: 2,
    hints: ["nothing was charged; try again"],
  });
}

/**
 * How an operator of gateways behaved, and whether it may be asked now. One that asked us to wait
 * is left alone; then one request goes first and tells whether it has recovered.
 */
import { KhachapuriError } from "../errors.ts";
import { GATEWAY_BACKOFF_SECONDS_MAX } from "../limits.ts";

/** One retrieval from an operator's gateway; to be ended once, as it ended. */
export interface Asking {
  /** It answered, be it that it has nothing. */
  answered(): void;
  failed(error: unknown): void;
  /** It was cancelled, which says nothing of the operator. */
  dropped(): void;
}

export class Operator {
  #lied = false;
  /** Ms since the epoch. */
  #quietUntil = 0;
  /** How long it was last left alone, seconds; 0 once it has answered. */
  #rest = 0;
  /** The request that goes first after a rest is under way. */
  #isTried = false;

  /** @param now the clock, ms since the epoch */
  constructor(private readonly now: () => number) {}

  /** It sent wrong bytes once, and is not asked again by this process. */
  hasLied(): boolean {
    return this.#lied;
  }

  mayBeAsked(): boolean {
    return !this.#lied && this.waitSeconds() === 0;
  }

  /** Seconds until it may be asked; 0 when it may be now. */
  waitSeconds(): number {
    const left = Math.ceil((this.#quietUntil - this.now()) / 1_000);
    if (left > 0) return left;
    return this.#isTried ? 1 : 0;
  }

  /** @throws KhachapuriError `ipfs_unavailable` when another request goes first */
  ask(): Asking {
    if (!this.mayBeAsked()) {
      throw new KhachapuriError("ipfs_unavailable", "the gateway is left alone for now", {
        retryAfterSeconds: Math.max(1, this.waitSeconds()),
      });
    }
    const isTrial = this.#rest > 0;
    if (isTrial) this.#isTried = true;
    const ended = () => {
      if (isTrial) this.#isTried = false;
    };
    return {
      answered: () => {
        ended();
        // An answer that was under way when the operator asked us to wait does not take that back.
        if (this.#quietUntil <= this.now()) this.#rest = 0;
      },
      failed: (error) => {
        ended();
        this.#note(error, isTrial);
      },
      dropped: ended,
    };
  }

  #note(error: unknown, isTrial: boolean): void {
    if (!(error instanceof KhachapuriError)) return;
    if (error.code === "ipfs_mismatch") this.#lied = true;
    if (error.retryAfterSeconds === undefined) return;
    // Twice as long each time it had not recovered; what was sent together counts once.
    const longer = isTrial ? 2 * this.#rest : 0;
    const wait = Math.max(error.retryAfterSeconds, longer);
    this.#rest = Math.min(Math.max(wait, this.#rest), GATEWAY_BACKOFF_SECONDS_MAX);
    const until = this.now() + Math.min(wait, GATEWAY_BACKOFF_SECONDS_MAX) * 1_000;
    this.#quietUntil = Math.max(this.#quietUntil, until);
  }
}

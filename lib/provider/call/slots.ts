/**
 * How many runs at once, and how many credits a minute strangers may cost an owner. A refusal is
 * free and says when to come back.
 */
import { KhachapuriError } from "../../errors.ts";
import { OWNER_RATES_REMEMBERED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { TokenBucket } from "../../token_bucket.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { Bill } from "../money/scheme.ts";

export interface Slot {
  /** The run has ended (or never began); calling it again does nothing. */
  free(): void;
  /** The call cost nothing: it does not count against the owner's rate either. */
  undo(): void;
}

export class Slots {
  #busy = 0;
  /** Runs going on, by deployment. */
  readonly #running = new Map<string, number>();
  /** An owner's credits a minute, by deployment; one that was forgotten starts with a full one. */
  readonly #rates = new Lru<string, TokenBucket>(OWNER_RATES_REMEMBERED_MAX);

  /** @param concurrency runs of the provider at the same time */
  constructor(
    private readonly concurrency: number,
    private readonly now: () => number = Date.now,
  ) {}

  /** Runs going on now. */
  busy(): number {
    return this.#busy;
  }

  /** @throws KhachapuriError `rate_limited` (429), `overloaded` (503), both with Retry-After */
  take({ spec }: Deployment, bill: Pick<Bill, "source">): Slot {
    const { id, owner, limits } = spec;
    const key = `${owner}:${id}`;
    const runs = this.#running.get(key) ?? 0;
    if (runs >= limits.concurrency) throw tooManyRuns(limits.concurrency);
    if (this.#busy >= this.concurrency) throw allBusy();
    const rate = bill.source === "owner" ? this.#rateOf(key, limits.ownerCreditsPerMinute) : null;
    if (rate && !rate.take()) throw tooFast(limits.ownerCreditsPerMinute, rate.waitSeconds());
    this.#busy += 1;
    this.#running.set(key, runs + 1);
    let isTaken = true;
    const free = () => {
      if (!isTaken) return;
      isTaken = false;
      this.#free(key);
    };
    return {
      free,
      undo() {
        if (isTaken) rate?.giveBack();
        free();
      },
    };
  }

  #free(key: string): void {
    this.#busy -= 1;
    const left = this.#running.get(key)! - 1;
    if (left > 0) this.#running.set(key, left);
    else this.#running.delete(key);
  }

  #rateOf(key: string, perMinute: number): TokenBucket {
    const known = this.#rates.get(key);
    if (known) return known;
    const rate = new TokenBucket(perMinute, perMinute / 60, this.now);
    this.#rates.set(key, rate);
    return rate;
  }
}

function tooManyRuns(concurrency: number): KhachapuriError {
  const limit = `this deployment runs ${concurrency} calls at a time`;
  return new KhachapuriError("rate_limited", limit, { retryAfterSeconds: 1 });
}

function allBusy(): KhachapuriError {
  return new KhachapuriError("overloaded", "all slots of this provider are busy", {
    retryAfterSeconds: 1,
  });
}

function tooFast(perMinute: number, waitSeconds: number): KhachapuriError {
  return new KhachapuriError("rate_limited", `the owner pays for ${perMinute} calls a minute`, {
    retryAfterSeconds: Math.ceil(waitSeconds),
    hints: ["or pay with a permit of your own"],
  });
}

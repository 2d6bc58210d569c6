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
import { hasToLeave } from "./fair_share.ts";

export interface Slot {
  /**
   * Counts one credit more for the run.
   * @param creditMs what one is good for, ms
   * @throws KhachapuriError `rate_limited` beyond the owner's rate, if it pays; `overloaded` while
   * the provider shuts down, or another deployment wants the slot of a run that its owner pays for
   */
  extend(creditMs: number): void;
  /** A credit that was counted so was not used. */
  giveBack(): void;
  /** The call waits before it runs, and keeps nobody else from running meanwhile. */
  stepAside(): void;
  /**
   * The wait is over; the owner's rate is not asked again.
   * @throws KhachapuriError as `take`, where others run in its place
   */
  comeBack(): void;
  /**
   * The run has ended, never began, or goes on without it: then `extend` counts its credits, and it
   * has to leave for nobody. Calling it again does nothing.
   */
  free(): void;
  /** The call cost nothing: it does not count against the owner's rate either. */
  undo(): void;
}

export class Slots {
  #busy = 0;
  #waiting = 0;
  #isClosing = false;
  /** Runs going on, by deployment. */
  readonly #running = new Map<string, number>();
  /** Of those the ones that get no further credit, as others want their slots. */
  readonly #leaving = new Map<string, number>();
  /** When a deployment's call last found all slots busy. */
  readonly #refused: Lru<string, number>;
  /** An owner's credits a minute, by deployment; one that was forgotten starts with a full one. */
  readonly #rates = new Lru<string, TokenBucket>(OWNER_RATES_REMEMBERED_MAX);

  /**
   * @param concurrency runs of the provider at the same time
   * @param refusal why none may begin for the moment, e.g. as the disk is full
   */
  constructor(
    private readonly concurrency: number,
    private readonly now: () => number = Date.now,
    private readonly refusal: () => KhachapuriError | null = () => null,
  ) {
    // More would make nobody's share smaller: it is one slot at least.
    this.#refused = new Lru(concurrency);
  }

  /** Runs going on now. */
  busy(): number {
    return this.#busy;
  }

  /** How many there are. */
  count(): number {
    return this.concurrency;
  }

  /** Calls that wait before they run. */
  waiting(): number {
    return this.#waiting;
  }

  /** The provider shuts down: runs go on for the credits that they have, and get no more. */
  close(): void {
    this.#isClosing = true;
  }

  /** @throws KhachapuriError `rate_limited` (429), `overloaded` (503), both with Retry-After */
  take({ spec }: Deployment, bill: Pick<Bill, "source">): Slot {
    const refusal = this.refusal();
    if (refusal) throw refusal;
    const { id, owner, limits } = spec;
    const key = `${owner}:${id}`;
    this.#assertRoom(key, limits.concurrency);
    const rate = bill.source === "owner" ? this.#rateOf(key, limits.ownerCreditsPerMinute) : null;
    if (rate && !rate.take()) throw tooFast(limits.ownerCreditsPerMinute, rate.waitSeconds());
    this.#occupy(key);
    let isTaken = true;
    let isAside = false;
    let isLeaving = false;
    const setAside = (is: boolean) => {
      if (is !== isAside) this.#waiting += is ? 1 : -1;
      isAside = is;
    };
    const free = () => {
      setAside(false);
      if (!isTaken) return;
      isTaken = false;
      this.#busy -= 1;
      countDown(this.#running, key);
      if (isLeaving) countDown(this.#leaving, key);
    };
    const giveBack = () => rate?.giveBack();
    return {
      free,
      stepAside() {
        free();
        setAside(true);
      },
      comeBack: () => {
        this.#assertRoom(key, limits.concurrency);
        this.#occupy(key);
        isTaken = true;
        setAside(false);
      },
      extend: (creditMs) => {
        if (this.#isClosing) throw shuttingDown();
        if (rate && isTaken && this.#isWanted(key, creditMs)) {
          isLeaving = true;
          this.#leaving.set(key, (this.#leaving.get(key) ?? 0) + 1);
          throw wantedByOthers();
        }
        if (rate && !rate.take()) throw tooFast(limits.ownerCreditsPerMinute, rate.waitSeconds());
      },
      giveBack,
      undo() {
        if (isTaken || isAside) giveBack();
        free();
      },
    };
  }

  /**
   * Counts a credit that no call's run costs the owner; returns what takes that back.
   * @throws KhachapuriError `rate_limited` beyond the owner's rate
   */
  debit({ spec: { id, owner, limits } }: Deployment): () => void {
    const rate = this.#rateOf(`${owner}:${id}`, limits.ownerCreditsPerMinute);
    if (!rate.take()) throw tooFast(limits.ownerCreditsPerMinute, rate.waitSeconds());
    return () => rate.giveBack();
  }

  #assertRoom(key: string, concurrency: number): void {
    if ((this.#running.get(key) ?? 0) >= concurrency) throw tooManyRuns(concurrency);
    if (this.#busy >= this.concurrency) {
      this.#refused.set(key, this.now());
      throw allBusy();
    }
    this.#refused.delete(key);
  }

  #occupy(key: string): void {
    this.#busy += 1;
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
  }

  /** Whether a deployment is to leave a slot to others, whom one was refused of late. */
  #isWanted(key: string, creditMs: number): boolean {
    if (this.#busy < this.concurrency) return false;
    const since = this.now() - creditMs;
    const refused = [...this.#refused.keys()].filter((each) => this.#refused.peek(each)! >= since);
    const running = new Map(
      [...this.#running].map(([each, runs]) => [each, runs - (this.#leaving.get(each) ?? 0)]),
    );
    return hasToLeave(key, { concurrency: this.concurrency, running, refused });
  }

  #rateOf(key: string, perMinute: number): TokenBucket {
    const known = this.#rates.get(key);
    if (known) return known;
    const rate = new TokenBucket(perMinute, perMinute / 60, this.now);
    this.#rates.set(key, rate);
    return rate;
  }
}

function countDown(counts: Map<string, number>, key: string): void {
  const left = counts.get(key)! - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
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

function wantedByOthers(): KhachapuriError {
  const why = "all slots are busy, this deployment has more than its share, and another wants one";
  return new KhachapuriError("overloaded", why, { retryAfterSeconds: 1 });
}

function shuttingDown(): KhachapuriError {
  return new KhachapuriError("overloaded", "the provider is shutting down", {
    retryAfterSeconds: 1,
  });
}

function tooFast(perMinute: number, waitSeconds: number): KhachapuriError {
  return new KhachapuriError("rate_limited", `the owner pays for ${perMinute} credits a minute`, {
    retryAfterSeconds: Math.ceil(waitSeconds),
    hints: ["or pay with a permit of your own"],
  });
}

/**
 * Memory of programs that are being fetched and unpacked. Who finds none left waits, not long, and
 * in fair turns: the owner with the least in hand is next. Owners whose deployments were paid for
 * have memory of their own beside, which strangers cannot use up.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { type Clock, systemClock } from "../../clock.ts";
import {
  OPENING_WAIT_MS,
  OPENINGS_BYTES_MAX,
  OPENINGS_WAITING_MAX,
  PAYING_OPENINGS_BYTES_MAX,
} from "../../limits.ts";

/** Memory that was taken. */
export interface Opening {
  free(): void;
}

interface Pool {
  left: number;
}

interface Waiting {
  owner: Address;
  bytes: number;
  granted(opening: Opening): void;
}

export class Openings {
  readonly #common: Pool = { left: OPENINGS_BYTES_MAX };
  readonly #paying: Pool = { left: PAYING_OPENINGS_BYTES_MAX };
  /** Bytes in hand, by owner. */
  readonly #held = new Map<Address, number>();
  /** Oldest first. */
  readonly #waiting: Waiting[] = [];

  /** @param isPaying whether an owner has a deployment here that was paid for */
  constructor(
    private readonly isPaying: (owner: Address) => boolean,
    private readonly clock: Clock = systemClock,
  ) {}

  /**
   * Takes memory for one opening, to be freed once.
   * @param bytes OPENINGS_BYTES_MAX at most
   * @throws KhachapuriError `overloaded` when there is none in time
   */
  take(owner: Address, bytes: number): Promise<Opening> {
    if (this.#waiting.length >= OPENINGS_WAITING_MAX) return Promise.reject(tooMany());
    return new Promise((resolve, reject) => {
      const cancel = this.clock.after(OPENING_WAIT_MS, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(tooMany());
        // Others may have waited behind what would have been too much.
        this.#serve();
      });
      const waiting: Waiting = {
        owner,
        bytes,
        granted(opening) {
          cancel();
          resolve(opening);
        },
      };
      this.#waiting.push(waiting);
      this.#serve();
    });
  }

  /** Bytes taken now. */
  bytes(): number {
    return [...this.#held.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Who is next and finds too little waits, with all behind it, or large ones would never go. */
  #serve(): void {
    for (const isPaying of [true, false]) {
      for (let next = this.#next(isPaying); next; next = this.#next(isPaying)) {
        const pools = isPaying ? [this.#paying, this.#common] : [this.#common];
        const pool = pools.find(({ left }) => left >= next!.bytes);
        if (!pool) break;
        this.#waiting.splice(this.#waiting.indexOf(next), 1);
        next.granted(this.#grant(next, pool));
      }
    }
  }

  #next(isPaying: boolean): Waiting | undefined {
    const held = ({ owner }: Waiting) => this.#held.get(owner) ?? 0;
    return this.#waiting.filter(({ owner }) => this.isPaying(owner) === isPaying)
      .reduce<Waiting | undefined>(
        (least, one) => least && held(least) <= held(one) ? least : one,
        undefined,
      );
  }

  #grant({ owner, bytes }: Waiting, pool: Pool): Opening {
    pool.left -= bytes;
    this.#held.set(owner, (this.#held.get(owner) ?? 0) + bytes);
    return {
      free: () => {
        pool.left += bytes;
        const left = this.#held.get(owner)! - bytes;
        if (left > 0) this.#held.set(owner, left);
        else this.#held.delete(owner);
        this.#serve();
      },
    };
  }
}

function tooMany(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many programs are being fetched and unpacked", {
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again"],
  });
}

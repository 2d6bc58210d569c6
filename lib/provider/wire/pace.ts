/**
 * How much of the event loop goes into reading what callers send. Bytes are cheap to send and may
 * be dear to read: chunks of one byte, frames of nothing. Who takes much of the loop waits then,
 * and is slowed down; it is never cut off.
 */
import {
  LIGHT_NETWORK_MS_MAX,
  LIGHT_READER_MS_MAX,
  READING_DEBT_MS_MAX,
  READING_NETWORKS_REMEMBERED_MAX,
  READING_SHARE_MAX,
} from "../../limits.ts";
import { Lru } from "../../lru.ts";

/** So long the loop is read in one go, ms, before others have their turn. */
export const TURN_MS = 1;
/** Unused time that is kept for later, ms. */
const SPARE_MS = 20;
/** Nobody is charged for more at once, ms: what takes longer is garbage, or another process. */
const CHARGE_MS = 2;
/** Reading a request's head takes less, ms. */
const REQUEST_MS = 0.1;
/** Nobody waits for less, ms. */
const MOMENT_MS = 0.1;
/** In this time half of what somebody took is forgotten, ms. */
const HALF_LIFE_MS = 500;

/** Somebody on a connection whose bytes wait to be read. */
export interface Reader {
  readonly usage: Usage;
  /** Of all connections of its network. */
  readonly networkUsage: Usage;
  /** Reads on, as it is its turn. */
  turn(): void;
}

/** Time that somebody took of late, ms. */
export class Usage {
  #ms = 0;
  #at = 0;

  add(ms: number, now: number): void {
    this.#ms = Math.max(0, this.of(now) + ms);
    this.#at = now;
  }

  of(now: number): number {
    return this.#ms * 0.5 ** ((now - this.#at) / HALF_LIFE_MS);
  }
}

export class Pace {
  readonly #waiting = new Set<Reader>();
  readonly #networks = new Lru<string, Usage>(READING_NETWORKS_REMEMBERED_MAX);
  /** Time that may be taken, ms; below zero it is owed. */
  #left = SPARE_MS;
  #filledAt: number;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** @param now the clock, ms */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#filledAt = now();
  }

  /** What all connections of a network took together. */
  usageOf(network: string): Usage {
    const known = this.#networks.get(network);
    if (known) return known;
    const usage = new Usage();
    this.#networks.set(network, usage);
    return usage;
  }

  /** Whether somebody may read at once; else it waits for its turn. */
  mayRead(reader: Reader): boolean {
    return this.#owed(reader) <= 0 && (this.#waiting.size === 0 || this.#isLight(reader));
  }

  wait(reader: Reader): void {
    this.#waiting.add(reader);
    this.#timer ??= setTimeout(() => this.#giveTurns());
  }

  /** Somebody whose bytes wait is gone. */
  forget(reader: Reader): void {
    this.#waiting.delete(reader);
  }

  /** Has somebody do some of its reading, on its account. @returns what it took, ms */
  charge(reader: Reader, read: () => void): number {
    const begun = this.now();
    read();
    const took = Math.min(this.now() - begun, CHARGE_MS);
    this.#add(reader, took);
    return took;
  }

  /** What somebody sent was a request: reading it is what we are here for. */
  excuse(reader: Reader): void {
    this.#add(reader, -REQUEST_MS);
  }

  #add(reader: Reader, ms: number): void {
    const now = this.now();
    reader.usage.add(ms, now);
    if (reader.networkUsage !== reader.usage) reader.networkUsage.add(ms, now);
    this.#left = Math.min(SPARE_MS, this.#left - ms);
  }

  #giveTurns(): void {
    this.#timer = null;
    const begun = this.now();
    let owed = 0;
    while (this.#waiting.size > 0 && this.now() - begun < TURN_MS) {
      const next = this.#leastServed();
      owed = this.#owed(next);
      if (owed > 0) break;
      this.#waiting.delete(next);
      next.turn();
    }
    if (this.#waiting.size === 0) return;
    const wait = Math.ceil(owed / READING_SHARE_MAX);
    this.#timer ??= setTimeout(() => this.#giveTurns(), wait);
  }

  /**
   * Time that has to come back before somebody may read, ms. Whoever took little is read on credit,
   * so that it waits for nobody who took much.
   */
  #owed(reader: Reader): number {
    const now = this.now();
    const refilled = this.#left + (now - this.#filledAt) * READING_SHARE_MAX;
    this.#left = Math.min(SPARE_MS, refilled);
    this.#filledAt = now;
    if (this.#left > 0) return 0;
    const credit = this.#isLight(reader) ? READING_DEBT_MS_MAX : 0;
    return this.#left + credit > 0 ? 0 : Math.max(MOMENT_MS, -this.#left - credit);
  }

  #isLight(reader: Reader): boolean {
    const now = this.now();
    return reader.usage.of(now) < LIGHT_READER_MS_MAX &&
      reader.networkUsage.of(now) < LIGHT_NETWORK_MS_MAX;
  }

  /** Of the network that took least the connection that did. */
  #leastServed(): Reader {
    const now = this.now();
    let least: Reader | null = null;
    for (const reader of this.#waiting) {
      if (least === null || isBefore(reader, least, now)) least = reader;
    }
    return least!;
  }
}

function isBefore(reader: Reader, other: Reader, now: number): boolean {
  const ahead = other.networkUsage.of(now) - reader.networkUsage.of(now);
  if (ahead !== 0) return ahead > 0;
  return reader.usage.of(now) < other.usage.of(now);
}

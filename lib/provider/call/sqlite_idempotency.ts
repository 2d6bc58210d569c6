/** The answers of a provider of one process, in SQLite. */
import type { DatabaseSync } from "node:sqlite";
import { IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { openStateDatabase } from "../../state_database.ts";
import { type AnswerRow, type AnswersMost, AnswersTable, storedAnswer } from "./answers_table.ts";
import {
  type Claim,
  type Idempotency,
  keyText,
  type LostAnswer,
  type RequestKey,
  type StoredAnswer,
  type Taken,
} from "./idempotency.ts";
import { mismatch, notKept, stillRunning, tooManyKeys } from "./key_refusals.ts";
import { Replays } from "./replays.ts";

export interface SqliteIdempotencyOptions {
  path: string;
  /** Whether the ledger has charged a reservation. */
  wasCharged(reservation: number): boolean;
  now: () => number;
  most?: AnswersMost;
}

export class SqliteIdempotency implements Idempotency {
  readonly #options: SqliteIdempotencyOptions;
  readonly #database: DatabaseSync;
  readonly #answers: AnswersTable;
  /** Fingerprints of what is running, by key. */
  readonly #running = new Map<string, Uint8Array>();
  readonly #replays: Replays;
  #onEnd: (text: string) => void = () => {};

  /** Opens (or creates) the answers at `options.path`. */
  constructor(options: SqliteIdempotencyOptions) {
    this.#options = options;
    this.#replays = new Replays(options.now);
    const database = this.#database = openStateDatabase(options.path);
    this.#answers = new AnswersTable(database, options.most);
  }

  isKnown(key: RequestKey): Promise<boolean> {
    return Promise.resolve(this.#running.has(keyText(key)) || this.#find(key) !== null);
  }

  /** Nothing is awaited between the look and the claim: two of one key cannot both run. */
  // deno-lint-ignore require-await -- a refusal is a rejection
  async take(key: RequestKey, fingerprint: Uint8Array): Promise<Taken> {
    const text = keyText(key);
    const underWay = this.#running.get(text);
    // Of a run in another process the charge may be known here before its end is.
    if (underWay && !this.#isCharged(key)) {
      throw isSame(underWay, fingerprint) ? stillRunning() : mismatch(key);
    }
    const row = this.#find(key);
    if (row) {
      if (!isSame(row.fingerprint, fingerprint)) throw mismatch(key);
      const stored = storedAnswer(row);
      this.#replays.admit(text, key.payer);
      return { stored };
    }
    const now = this.#options.now();
    const roomAt = this.#answers.roomAt(key.payer, now);
    if (roomAt !== null) throw tooManyKeys(key, roomAt - now);
    return this.claimed(key, fingerprint);
  }

  /** The key is taken for one run, whatever is known of it. */
  claimed(key: RequestKey, fingerprint: Uint8Array): { claim: Claim } {
    const text = keyText(key);
    this.#running.set(text, fingerprint);
    return {
      claim: {
        // deno-lint-ignore require-await -- a failure is a rejection
        store: async (answer, reservation) => this.#write(key, fingerprint, answer, reservation),
        // deno-lint-ignore require-await -- it is done at once
        end: async () => {
          if (this.#running.get(text) !== fingerprint) return;
          this.#running.delete(text);
          this.#onEnd(text);
        },
      },
    };
  }

  /** The answer that is kept under a key; @throws KhachapuriError when it is kept no more */
  stored({ id }: RequestKey): StoredAnswer {
    const row = this.#answers.find(id);
    if (!row) throw notKept("it was lost");
    return storedAnswer(row);
  }

  /** What runs, by the texts of keys: fingerprints. */
  running(): [text: string, fingerprint: Uint8Array][] {
    return [...this.#running];
  }

  /** These run in another process. */
  adopt(running: readonly [text: string, fingerprint: Uint8Array][]): void {
    for (const [text, fingerprint] of running) this.#running.set(text, fingerprint);
  }

  /** One of them does no more. */
  letGo(text: string): void {
    if (this.#running.delete(text)) this.#onEnd(text);
  }

  /** @param listener told of each run that ends from now on */
  onEnd(listener: (text: string) => void): void {
    this.#onEnd = listener;
  }

  close(): void {
    this.#database.close();
  }

  #isCharged({ id }: RequestKey): boolean {
    const row = this.#answers.find(id);
    return row !== null && this.#options.wasCharged(row.reservation);
  }

  #find({ id }: RequestKey): AnswerRow | null {
    const row = this.#answers.find(id);
    if (!row) return null;
    const isOpen = row.at >= this.#options.now() - IDEMPOTENCY_WINDOW_MS;
    if (isOpen && this.#options.wasCharged(row.reservation)) return row;
    this.#answers.drop(id);
    return null;
  }

  #write(
    { id, payer }: RequestKey,
    fingerprint: Uint8Array,
    answer: StoredAnswer | LostAnswer,
    reservation: number,
  ): void {
    const place = { id, payer, fingerprint, reservation };
    const text = "why" in answer ? answer : { ...answer, headers: JSON.stringify(answer.headers) };
    this.#answers.put(place, text, this.#options.now());
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

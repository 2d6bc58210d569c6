/**
 * The answers of a fleet, in its PostgreSQL: a key that was answered at one node is answered at
 * each, and one that runs at another is refused for now. The run of a node that is gone holds its
 * key until nobody can charge it any more. That holds for a process whose place another takes, too:
 * it ends its runs by its own session, so no key passes on.
 *
 * How often an answer is given again is counted by each node for itself, so N of them may give it N
 * times as often.
 */
import { IDEMPOTENCY_PAYER_BYTES_MAX, IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import type { AskOptions, Database } from "../fleet/database.ts";
import { ANSWERS_MOST, type AnswersMost, type KeptRow, storedAnswer } from "./answers_table.ts";
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

export interface PostgresIdempotencyOptions {
  database: Database;
  /** This node's, now. */
  session(): number;
  /** Whether this node's ledger is about to charge a credit, whoever waits for it. */
  isCharging(reservation: number): boolean;
  /** ms since the epoch. */
  now: () => number;
  most?: AnswersMost;
}

/** What became of a claim. */
interface Claimed {
  readonly state: "claimed" | "running" | "answered" | "full";
  /** Whether the key runs or was answered for the same request. */
  readonly is_same: boolean | null;
  /** Why there is no answer though it was given. */
  readonly lost: string | null;
  /** ms */
  readonly room_in: number | null;
}

/** A key that is to be free again. */
interface Left {
  readonly id: Uint8Array;
  /** That its answer was stored for; null: none was. */
  readonly reservation: number | null;
}

/** Keys that are held for nothing are freed this often, ms, and what is too old forgotten. */
const SWEEP_MS = 5_000;
/** A caller that is told that its run failed waits so long for its key to be free, ms. */
const FREED_IN_MS = 1_000;
/** For each answer that comes so many that are out of their window may go, */
const PURGED_WITH_EACH = 4;
/** so many in a statement. */
const PURGED_AT_ONCE = 256;
/** Adding up what all payers keep takes one part of the time in so many, at most. */
const SUMMED_PART = 100;

export class PostgresIdempotency implements Idempotency {
  readonly #options: PostgresIdempotencyOptions;
  readonly #replays: Replays;
  /** Claims that are made, or may be, and have not ended. */
  readonly #running = new Set<string>();
  /** Claims that ended, and hold their keys still. */
  readonly #left = new Map<string, Left>();
  /** What is kept of all payers, as it was added up last, and what came from here since. */
  #kept: AnswersMost = { answers: 0, bytes: 0 };
  #sumAt = 0;
  #toPurge = 0;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  private constructor(options: PostgresIdempotencyOptions) {
    this.#options = options;
    this.#replays = new Replays(options.now);
  }

  /** @throws KhachapuriError `database_unavailable` */
  static async open(options: PostgresIdempotencyOptions): Promise<PostgresIdempotency> {
    const opened = new PostgresIdempotency(options);
    await opened.#sum();
    opened.#arm();
    return opened;
  }

  async isKnown({ id }: RequestKey): Promise<boolean> {
    const [row] = await this.#ask<{ is_known: boolean }>(
      "SELECT is_key_known_1($1, $2) AS is_known",
      [id, IDEMPOTENCY_WINDOW_MS],
    );
    return row!.is_known;
  }

  async take(key: RequestKey, fingerprint: Uint8Array): Promise<Taken> {
    const claim = crypto.randomUUID();
    let found: Claimed | null = null;
    this.#running.add(claim);
    try {
      found = await this.#claim(key, fingerprint, claim);
    } finally {
      // Where nobody knows what became of it, a sweep finds it.
      if (found?.state !== "claimed") this.#running.delete(claim);
    }
    if (found.state === "claimed") return { claim: this.#claimOf(key, claim) };
    if (found.state === "full") throw tooManyKeys(key, found.room_in!);
    if (!found.is_same) throw mismatch(key);
    if (found.state === "running") throw stillRunning();
    if (found.lost !== null) throw notKept(found.lost);
    this.#replays.admit(keyText(key), key.payer);
    return { stored: await this.#read(key) };
  }

  /**
   * Frees keys whose runs are over, forgets what is too old, and adds up what is kept.
   * @throws KhachapuriError `database_unavailable`
   */
  async sweep(): Promise<void> {
    await this.#findStrays();
    for (const claim of this.#left.keys()) await this.#free(claim);
    while (this.#toPurge > 0) {
      const rows = Math.min(this.#toPurge, PURGED_AT_ONCE);
      this.#toPurge = await this.#purge(rows) < rows ? 0 : this.#toPurge - rows;
    }
    if (this.#options.now() >= this.#sumAt) await this.#sum();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #arm(): void {
    if (this.#isClosed) return;
    // What fails is tried again the next time.
    const swept = () => this.sweep().catch(() => {}).finally(() => this.#arm());
    this.#timer = setTimeout(swept, SWEEP_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #read({ id }: RequestKey): Promise<StoredAnswer> {
    const [row] = await this.#ask<Omit<KeptRow, "body"> & { body: string | null }>(
      "SELECT status, headers, encode(body, 'base64') AS body, why FROM answers WHERE id = $1",
      [id],
    );
    if (!row) throw notKept("it was lost");
    const body = row.body === null ? null : Uint8Array.fromBase64(row.body);
    return storedAnswer({ ...row, body });
  }

  async #claim(key: RequestKey, fingerprint: Uint8Array, claim: string): Promise<Claimed> {
    const { session, most = ANSWERS_MOST } = this.#options;
    const ask = async () => {
      const [claimed] = await this.#ask<Claimed>(
        "SELECT state, is_same, lost, room_in::float8 FROM claim_key_1($1, $2, $3, $4, $5, $6, $7)",
        [
          key.id,
          key.payer,
          fingerprint,
          session(),
          claim,
          IDEMPOTENCY_WINDOW_MS,
          most.answers - this.#kept.answers,
        ],
      );
      return claimed!;
    };
    const claimed = await ask();
    if (claimed.state !== "full") return claimed;
    await this.#purge(PURGED_AT_ONCE);
    await this.#sum();
    return await ask();
  }

  #claimOf({ id }: RequestKey, claim: string): Claim {
    let reservation: number | null = null;
    return {
      store: async (answer, number) => {
        reservation = number;
        await this.#store(id, claim, answer, number);
      },
      end: async (isCharged = false) => {
        if (!this.#running.delete(claim) || isCharged) return;
        this.#left.set(claim, { id, reservation });
        // Where it fails a sweep does it.
        await this.#free(claim, { patienceMs: FREED_IN_MS }).catch(() => {});
      },
    };
  }

  async #store(
    id: Uint8Array,
    claim: string,
    answer: StoredAnswer | LostAnswer,
    reservation: number,
  ): Promise<void> {
    const { most = ANSWERS_MOST } = this.#options;
    const texts = "why" in answer
      ? [null, null, null, answer.why]
      // As bytes the client would write them in hex, which takes it thirty times as long.
      : [answer.status, JSON.stringify(answer.headers), answer.body.toBase64(), null];
    const [row] = await this.#ask<{ is_ours: boolean }>(
      "SELECT store_answer_1($1, $2, $3, $4, $5, decode($6, 'base64'), $7, $8, $9) AS is_ours",
      [
        id,
        claim,
        reservation,
        ...texts,
        IDEMPOTENCY_PAYER_BYTES_MAX,
        most.bytes - this.#kept.bytes,
      ],
    );
    if (!row!.is_ours) throw stillRunning();
    const bytes = "why" in answer ? 0 : answer.body.length;
    this.#kept = { answers: this.#kept.answers + 1, bytes: this.#kept.bytes + bytes };
    this.#toPurge += PURGED_WITH_EACH;
  }

  /** Keys of this node that are held for no run of it: what became of their claims was lost. */
  async #findStrays(): Promise<void> {
    const rows = await this.#ask<{ id: Uint8Array; claim: string }>(
      "SELECT id, claim FROM answers WHERE session = $1 AND reservation IS NULL",
      [this.#options.session()],
    );
    for (const { id, claim } of rows) {
      if (this.#running.has(claim) || this.#left.has(claim)) continue;
      this.#left.set(claim, { id, reservation: null });
    }
  }

  async #free(claim: string, options?: AskOptions): Promise<void> {
    const left = this.#left.get(claim);
    if (!left) return;
    const { id, reservation } = left;
    if (reservation !== null && this.#options.isCharging(reservation)) return;
    const [row] = await this.#ask<{ is_over: boolean }>(
      "SELECT free_key_1($1, $2) AS is_over",
      [id, claim],
      options,
    );
    if (row!.is_over) this.#left.delete(claim);
  }

  async #purge(rows: number): Promise<number> {
    const [purged] = await this.#ask<{ rows: number }>(
      "SELECT purge_answers_1($1, $2) AS rows",
      [IDEMPOTENCY_WINDOW_MS, rows],
    );
    return purged!.rows;
  }

  async #sum(): Promise<void> {
    const { database, now } = this.#options;
    const from = now();
    const [sum] = await database.ask<AnswersMost>(
      "SELECT answers::float8, bytes::float8 FROM sum_answers_1()",
      [],
      { isLong: true },
    );
    this.#sumAt = now() + SUMMED_PART * (now() - from);
    this.#kept = sum!;
  }

  #ask<Row>(...asked: Parameters<Database["ask"]>): Promise<Row[]> {
    return this.#options.database.ask<Row>(...asked);
  }
}

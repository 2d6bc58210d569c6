/**
 * The answers that are kept under keys, and what those of each payer take of the disk: counted by
 * the database in the transaction of each change, so that no call adds them up and no crash has the
 * count be off.
 *
 * All of them together are bounded, and nobody's crowd out another's: a payer may take as much as
 * is still free, and no more. So one alone has half of all, two have a third each, and there is
 * always room for who comes next (dynamic thresholds: Choudhury and Hahne, 1998).
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address } from "viem";
import { inTransaction } from "../../transaction.ts";
import { IDEMPOTENCY_PAYER_BYTES_MAX, IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { IDEMPOTENCY_ANSWERS_MAX, IDEMPOTENCY_BYTES_MAX } from "../../limits_of_books.ts";
import type { StoredAnswer } from "./idempotency.ts";
import { notKept } from "./key_refusals.ts";

/** A row as it is read. */
export interface AnswerRow {
  readonly fingerprint: Uint8Array;
  readonly reservation: number;
  /** Unix ms. */
  readonly at: number;
  /** Of an answer that is kept; else `why` says why it is not. */
  readonly status: number | null;
  /** JSON. */
  readonly headers: string | null;
  readonly body: Uint8Array<ArrayBuffer> | null;
  readonly why: string | null;
}

/** Of a row, what the answer was. */
export type KeptRow = Pick<AnswerRow, "status" | "headers" | "body" | "why">;

/** @throws KhachapuriError `idempotency_conflict` where it is not kept */
export function storedAnswer({ status, headers, body, why }: KeptRow): StoredAnswer {
  if (status === null || headers === null || body === null) throw notKept(why ?? "it was lost");
  return { status, headers: JSON.parse(headers), body };
}

/** Whose answer it is, and to what. */
export interface AnswerPlace {
  readonly id: Uint8Array;
  readonly payer: Address;
  readonly fingerprint: Uint8Array;
  readonly reservation: number;
}

/** What of an answer is kept. */
export interface AnswerText {
  readonly status: number;
  /** JSON. */
  readonly headers: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

interface OldAnswer {
  readonly id: Uint8Array;
  readonly bytes: number;
  readonly at: number;
}

/** What all answers together may take. */
export interface AnswersMost {
  readonly answers: number;
  readonly bytes: number;
}

export const ANSWERS_MOST: AnswersMost = {
  answers: IDEMPOTENCY_ANSWERS_MAX,
  bytes: IDEMPOTENCY_BYTES_MAX,
};

/** Of what is out of its window so many rows go with each that comes, */
const PURGED_WITH_EACH = 4;
/** and so many where there is no room without. */
const PURGED_AT_ONCE = 256;
/** Of what an earlier release has kept so many rows are counted with each that comes. */
const COUNTED_WITH_EACH = 256;
/** Of a payer's oldest answers so many are looked at together where they have to make room. */
const OLDEST_AT_ONCE = 64;
/** The row of `kept` that counts all payers together. */
const ALL = "";

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS answers (
    id BLOB PRIMARY KEY,
    payer TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    reservation INTEGER NOT NULL,
    at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    status INTEGER,
    headers TEXT,
    body BLOB,
    why TEXT
  ) STRICT;
  CREATE INDEX IF NOT EXISTS answers_by_payer ON answers (payer, at);
  CREATE INDEX IF NOT EXISTS answers_by_time ON answers (at);
`;

/** Whether a row is in the counts: of those that an earlier release kept the first ones are. */
const isCounted = (row: string) =>
  `(SELECT ${row}.rowid <= upTo OR ${row}.rowid > last FROM counted)`;

/** Of a payer with bodies none is older than `bodiesFrom`, Unix ms. */
const COUNTS = `
  CREATE TABLE kept (
    payer TEXT PRIMARY KEY, answers INTEGER NOT NULL, bytes INTEGER NOT NULL,
    bodiesFrom INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE counted (upTo INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
  INSERT INTO kept (payer, answers, bytes) VALUES ('${ALL}', 0, 0);
  INSERT INTO counted SELECT 0, COALESCE(MAX(rowid), 0) FROM answers;
  CREATE TRIGGER answer_put AFTER INSERT ON answers WHEN ${isCounted("NEW")} BEGIN
    INSERT INTO kept (payer, answers, bytes)
      VALUES (NEW.payer, 1, NEW.bytes), ('${ALL}', 1, NEW.bytes)
      ON CONFLICT (payer) DO UPDATE
      SET answers = answers + 1, bytes = bytes + excluded.bytes;
  END;
  CREATE TRIGGER answer_dropped AFTER DELETE ON answers WHEN ${isCounted("OLD")} BEGIN
    UPDATE kept SET answers = answers - 1, bytes = bytes - OLD.bytes
      WHERE payer IN (OLD.payer, '${ALL}');
    DELETE FROM kept WHERE payer = OLD.payer AND answers = 0;
  END;
  CREATE TRIGGER answer_emptied AFTER UPDATE OF bytes ON answers WHEN ${isCounted("OLD")} BEGIN
    UPDATE kept SET bytes = bytes + NEW.bytes - OLD.bytes WHERE payer IN (OLD.payer, '${ALL}');
  END;
`;

const COUNT_ON = `
  INSERT INTO kept (payer, answers, bytes)
    SELECT who, COUNT(*), SUM(bytes) FROM (
      SELECT payer AS who, bytes FROM answers WHERE rowid > ?1 AND rowid <= ?2
      UNION ALL SELECT '${ALL}', bytes FROM answers WHERE rowid > ?1 AND rowid <= ?2
    ) GROUP BY who
    ON CONFLICT (payer) DO UPDATE
    SET answers = answers + excluded.answers, bytes = bytes + excluded.bytes
`;

/** Of a payer, with what each takes. */
export const OLDEST_BODIES = `
  SELECT id, bytes, at FROM answers WHERE payer = ?1 AND bytes > 0
    AND at >= (SELECT bodiesFrom FROM kept WHERE payer = ?1)
    ORDER BY at LIMIT ${OLDEST_AT_ONCE}
`;

export class AnswersTable {
  readonly #counted: StatementSync;
  readonly #countOn: StatementSync;
  readonly #setCounted: StatementSync;
  readonly #find: StatementSync;
  readonly #drop: StatementSync;
  readonly #put: StatementSync;
  readonly #purge: StatementSync;
  readonly #kept: StatementSync;
  readonly #first: StatementSync;
  readonly #oldest: StatementSync;
  readonly #setBodiesFrom: StatementSync;
  readonly #empty: StatementSync;
  #isAllCounted = false;

  /** Makes what is not there yet. */
  constructor(
    private readonly database: DatabaseSync,
    private readonly most: AnswersMost = ANSWERS_MOST,
  ) {
    database.exec(SCHEMA);
    const counts = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'kept'");
    if (!counts.get()) inTransaction(database, () => database.exec(COUNTS));
    this.#counted = database.prepare("SELECT upTo, last FROM counted");
    this.#countOn = database.prepare(COUNT_ON);
    this.#setCounted = database.prepare("UPDATE counted SET upTo = ?");
    this.#find = database.prepare("SELECT * FROM answers WHERE id = ?");
    this.#drop = database.prepare("DELETE FROM answers WHERE id = ?");
    this.#put = database.prepare("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#purge = database.prepare(
      "DELETE FROM answers WHERE rowid IN " +
        "(SELECT rowid FROM answers WHERE at < ? ORDER BY at LIMIT ?)",
    );
    this.#kept = database.prepare("SELECT answers, bytes FROM kept WHERE payer = ?");
    this.#first = database.prepare("SELECT MIN(at) AS at FROM answers WHERE payer = ?");
    this.#oldest = database.prepare(OLDEST_BODIES);
    this.#setBodiesFrom = database.prepare("UPDATE kept SET bodiesFrom = ? WHERE payer = ?");
    this.#empty = database.prepare(
      "UPDATE answers SET bytes = 0, status = NULL, headers = NULL, body = NULL, why = ? " +
        "WHERE id = ?",
    );
  }

  find(id: Uint8Array): AnswerRow | null {
    return this.#find.get(id) as AnswerRow | undefined ?? null;
  }

  drop(id: Uint8Array): void {
    this.#drop.run(id);
  }

  /**
   * When one answer more of a payer may be kept, Unix ms; null: now.
   * @param now Unix ms
   */
  roomAt(payer: Address, now: number): number | null {
    const has = () => this.#keptOf(payer).answers < this.most.answers - this.#keptOf(ALL).answers;
    if (has()) return null;
    this.#purgeOver(now, PURGED_AT_ONCE);
    if (has()) return null;
    const { at } = this.#first.get(payer) as { at: number | null };
    return (at ?? now) + IDEMPOTENCY_WINDOW_MS;
  }

  /**
   * Keeps an answer, or the word why there is none; durable when it returns. Older answers of its
   * payer make room for it: what is left of them is the word that they were charged.
   * @param now Unix ms
   */
  put(place: AnswerPlace, answer: AnswerText | { readonly why: string }, now: number): void {
    inTransaction(this.database, () => {
      this.#purgeOver(now, PURGED_WITH_EACH);
      if (!this.#isAllCounted) this.#count();
      this.#write(place, answer, now);
    });
  }

  #write(place: AnswerPlace, answer: AnswerText | { readonly why: string }, now: number): void {
    const { id, payer, fingerprint, reservation } = place;
    this.#drop.run(id);
    if ("why" in answer) {
      this.#put.run(id, payer, fingerprint, reservation, now, 0, null, null, null, answer.why);
      return;
    }
    const { status, headers, body } = answer;
    const bytes = body.length + headers.length;
    if (!this.#makeRoom(payer, bytes)) {
      return this.#write(place, { why: "there was no room for it" }, now);
    }
    this.#put.run(id, payer, fingerprint, reservation, now, bytes, status, headers, body, null);
  }

  #keptOf(payer: string): { answers: number; bytes: number } {
    const kept = this.#kept.get(payer) as { answers: number; bytes: number } | undefined;
    return kept ?? { answers: 0, bytes: 0 };
  }

  #purgeOver(now: number, rows: number): void {
    this.#purge.run(now - IDEMPOTENCY_WINDOW_MS, rows);
  }

  /** Counts some more of what an earlier release kept. */
  #count(): void {
    const { upTo, last } = this.#counted.get() as { upTo: number; last: number };
    const next = Math.min(upTo + COUNTED_WITH_EACH, last);
    this.#isAllCounted = next === last;
    if (next === upTo) return;
    this.#countOn.run(upTo, next);
    this.#setCounted.run(next);
  }

  /** @returns whether there is room for so many bytes now */
  #makeRoom(payer: Address, wanted: number): boolean {
    const own = this.#keptOf(payer).bytes;
    const free = this.most.bytes - this.#keptOf(ALL).bytes;
    const over = own + wanted - IDEMPOTENCY_PAYER_BYTES_MAX;
    // Of what it takes and gives up, the one is no more free and the other is.
    let left = Math.max(over, Math.ceil((own + 2 * wanted - free) / 2));
    if (left > own) return false;
    while (left > 0) {
      const oldest = this.#oldest.all(payer) as unknown as OldAnswer[];
      if (oldest.length === 0) return false;
      for (const { id, bytes, at } of oldest) {
        if (left <= 0) break;
        this.#empty.run("later ones took its place", id);
        this.#setBodiesFrom.run(at, payer);
        left -= bytes;
      }
    }
    return true;
  }
}

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): the same request of the same payer
 * under the same key is charged once, and answered again from here. An answer is on disk before
 * its charge commits; one whose charge a crash took back counts for nothing.
 */
import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { IDEMPOTENCY_KEY_CHARACTERS_MAX, IDEMPOTENCY_WINDOW_MS } from "../../limits.ts";
import { openStateDatabase } from "../../state_database.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HttpRequest } from "../http/request.ts";
import type { DeploymentTarget } from "../http/target.ts";
import type { Bill } from "../money/scheme.ts";
import { type AnswerRow, AnswersTable } from "./answers_table.ts";
import { Replays } from "./replays.ts";

export const IDEMPOTENCY_HEADER = "Idempotency-Key";
/** On an answer that was given, and charged, before. */
export const REPLAYED_HEADER = "Idempotency-Replayed";

/** What a request is known by: payer, lane, deployment, or the name that was called, and key. */
export interface RequestKey {
  /** Their digest. */
  readonly id: Uint8Array;
  readonly payer: Address;
  /** The request has none of its own: its payment stands in for one. */
  readonly isPayment: boolean;
}

export interface StoredAnswer {
  status: number;
  headers: [string, string][];
  body: Uint8Array<ArrayBuffer>;
}

/** What is kept of an answer that cannot be given again: why. */
export interface LostAnswer {
  why: string;
}

/** A key that is being answered. One of the two ends it; more calls do nothing. */
export interface Claim {
  /** The answer, durable when it returns; it counts once `reservation` is charged. */
  store(answer: StoredAnswer | LostAnswer, reservation: number): void;
  /** The run was charged, or (without a stored answer) came to nothing: the key is free again. */
  end(): void;
}

/** A key that was taken for one run, or the answer that it has. */
export type Taken = { readonly stored: StoredAnswer } | { readonly claim: Claim };

/** Promises, as one day another machine may keep the answers; here each is kept at once. */
export interface Idempotency {
  /** Whether something is known under the key, be it a run that goes on. */
  isKnown(key: RequestKey): Promise<boolean>;
  /**
   * Takes the key for one run, unless it has been answered.
   * @param fingerprint of the request; another one under the same key is refused
   * @throws KhachapuriError `idempotency_mismatch`, or `payment_required` where a payment is the
   * key; `idempotency_conflict` when it is running, or
   * was charged and its answer was not kept; `rate_limited` when its answer was given too often, or
   * no more of the payer's can be kept
   */
  take(key: RequestKey, fingerprint: Uint8Array): Promise<Taken>;
  close(): void;
}

export interface IdempotencyOptions {
  path: string;
  /** Whether the ledger has charged a reservation. */
  wasCharged(reservation: number): boolean;
  now: () => number;
}

/**
 * The key of a request, or null when it has none. One that is sent again to a name is the same,
 * though the name may point elsewhere by now: it was paid for.
 * @throws KhachapuriError `invalid_input` unless it is a quoted string (RFC 8941) or a bare one
 */
export function requestKey(
  fields: FieldReader,
  bill: Bill,
  { name }: Pick<DeploymentTarget, "name"> = {},
): RequestKey | null {
  const text = fields.get(IDEMPOTENCY_HEADER);
  if (text === null) return bill.key === undefined ? null : keyOf(bill, name, bill.key, true);
  const key = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text)?.[1] ?? text;
  if (key === "" || key.length > IDEMPOTENCY_KEY_CHARACTERS_MAX || !/^[\x21-\x7e]*$/.test(key)) {
    const most = `1 to ${IDEMPOTENCY_KEY_CHARACTERS_MAX} visible characters`;
    throw new KhachapuriError("invalid_input", `${IDEMPOTENCY_HEADER} has ${most}`);
  }
  return keyOf(bill, name, key, false);
}

/** A payment's key has a place of its own among the keys of its payer. */
function keyOf(
  { payer, scope, cid }: Bill,
  name: string | undefined,
  key: string,
  isPayment: boolean,
): RequestKey {
  const called = name === undefined ? cid : `name ${name}`;
  const parts = [payer, scope, called, key, ...(isPayment ? ["payment"] : [])];
  const id = createHash("sha256").update(JSON.stringify(parts)).digest();
  return { id: new Uint8Array(id), payer, isPayment };
}

/** By these a program knows whom it answers. */
const CREDENTIALS = ["authorization", "cookie"];

/**
 * What makes two requests the same: method, path with query, content type and body. Where a payment
 * is the key, also whom the program takes the caller for: once it is mined, everybody can read the
 * payment on chain, and would else read what its payer was answered.
 */
export function fingerprintOf(
  { method, fields, query }: HttpRequest,
  { path }: Pick<DeploymentTarget, "path">,
  bodyHash: string,
  isPayment: boolean,
): Uint8Array {
  const target = query === null ? path : `${path}?${query}`;
  const credentials = isPayment ? CREDENTIALS.map((name) => fields.get(name)) : [];
  const parts = [method, target, fields.get("content-type"), bodyHash, ...credentials];
  return new Uint8Array(createHash("sha256").update(JSON.stringify(parts)).digest());
}

/** The answers of one process, in SQLite. */
export class SqliteIdempotency implements Idempotency {
  readonly #options: IdempotencyOptions;
  readonly #database: DatabaseSync;
  readonly #answers: AnswersTable;
  /** Fingerprints of what is running, by key. */
  readonly #running = new Map<string, Uint8Array>();
  readonly #replays: Replays;
  #onEnd: (text: string) => void = () => {};

  /** Opens (or creates) the answers at `options.path`. */
  constructor(options: IdempotencyOptions) {
    this.#options = options;
    this.#replays = new Replays(options.now);
    const database = this.#database = openStateDatabase(options.path);
    this.#answers = new AnswersTable(database);
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
        store: (answer, reservation) => this.#write(key, fingerprint, answer, reservation),
        end: () => {
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

function storedAnswer(row: AnswerRow): StoredAnswer {
  const { status, headers, body, why } = row;
  if (status === null || headers === null || body === null) throw notKept(why ?? "it was lost");
  return { status, headers: JSON.parse(headers), body };
}

/** What a key is known by among those that run. */
export function keyText({ id }: Pick<RequestKey, "id">): string {
  return id.toBase64();
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function mismatch({ isPayment }: RequestKey): KhachapuriError {
  if (isPayment) return otherRequest();
  return new KhachapuriError("idempotency_mismatch", "this key was used for another request", {
    hints: ["the same key goes with the same method, path, content type and body"],
  });
}

/** A payment is for the request that it came with first. */
function otherRequest(): KhachapuriError {
  return new KhachapuriError("payment_required", "this payment was used for another request", {
    hints: ["sign a new payment for this one; nothing was charged for it"],
    data: { x402Reason: "invalid_exact_evm_nonce_already_used" },
  });
}

function stillRunning(): KhachapuriError {
  return new KhachapuriError("idempotency_conflict", "the first request with this key still runs", {
    retryAfterSeconds: 1,
    hints: ["nothing was charged for this one; ask again for its answer"],
  });
}

/** Kept for its window each: the oldest leave first. */
function tooManyKeys({ isPayment }: RequestKey, roomInMs: number): KhachapuriError {
  return new KhachapuriError("rate_limited", "too many answers are kept for this payer", {
    retryAfterSeconds: Math.max(1, Math.ceil(roomInMs / 1_000)),
    hints: [
      isPayment
        ? "nothing was charged for this one"
        : `nothing was charged for this one; without ${IDEMPOTENCY_HEADER} it runs at once`,
    ],
  });
}

function notKept(why: string): KhachapuriError {
  return new KhachapuriError(
    "idempotency_conflict",
    `the first request with this key was answered and charged, but its answer was not kept: ${why}`,
    { hints: ["nothing was charged for this one; use a new key to run it again"] },
  );
}

/**
 * Answers that are kept, where calls find them: here, or with the process that took this one's
 * place. A key is taken from whoever has the books; its answer is written into their file from
 * here, as it lies on the same disk.
 */
import { Seat } from "../../seat.ts";
import type { Idempotency, RequestKey, Taken } from "./idempotency.ts";
import type { SqliteIdempotency } from "./sqlite_idempotency.ts";

/** What calls ask of them, wherever they are. */
export interface CallAnswers {
  isKnown(key: RequestKey): Promise<boolean>;
  /** "claimed": the key is the asker's until it says `ended`; "stored": its answer is kept. */
  claim(key: RequestKey, fingerprint: Uint8Array): Promise<"claimed" | "stored">;
  /** A run under the key of that text has ended. */
  ended(text: string): unknown;
}

export class IdempotencySeat implements Idempotency {
  readonly #seat: Seat<CallAnswers | null, null>;

  constructor(private readonly own: SqliteIdempotency) {
    this.#seat = new Seat<CallAnswers | null, null>(null);
  }

  /** From now on keys are taken from whoever `next` resolves with; it knows those that run here. */
  move(next: Promise<CallAnswers>): void {
    this.#seat.move(next);
    this.own.onEnd((text) => void next.then((answers) => answers.ended(text)).catch(() => {}));
  }

  isKnown(key: RequestKey): Promise<boolean> {
    return this.#seat.use((there) => there ? there.isKnown(key) : this.own.isKnown(key));
  }

  take(key: RequestKey, fingerprint: Uint8Array): Promise<Taken> {
    return this.#seat.use(async (there) => {
      if (there === null) return await this.own.take(key, fingerprint);
      const isStored = await there.claim(key, fingerprint) === "stored";
      return isStored ? { stored: this.own.stored(key) } : this.own.claimed(key, fingerprint);
    });
  }

  close(): void {
    this.own.close();
  }
}

/**
 * Content that could not be had, remembered for a moment: asking again at once brings the same, and
 * costs the gateways a request each.
 */
import { KhachapuriError } from "../../errors.ts";
import { ABSENT_REMEMBERED_MAX, ABSENT_REMEMBERED_MS, OUTAGE_REMEMBERED_MS } from "../../limits.ts";
import { Lru } from "../../lru.ts";

interface Absence {
  error: KhachapuriError;
  until: number;
}

export class Absences {
  readonly #known = new Lru<string, Absence>(ABSENT_REMEMBERED_MAX);

  /** @param now the clock, ms */
  constructor(private readonly now: () => number) {}

  /** Why it could not be had a moment ago; null when it may be asked for. */
  recall(name: string): KhachapuriError | null {
    const absence = this.#known.get(name);
    return absence && absence.until > this.now() ? absence.error : null;
  }

  /** It is here now: what could not be had of a cid, or of what names begin with it. */
  forget(cid: string): void {
    for (const name of [...this.#known.keys()]) {
      if (name === cid || name.startsWith(`${cid}:`)) this.#known.delete(name);
    }
  }

  /** Remembers a failure that says that nobody has it, or for less that our gateways failed. */
  note(name: string, error: unknown): void {
    const ms = error instanceof KhachapuriError ? rememberedMs(error) : 0;
    if (ms > 0) this.#known.set(name, { error: error as KhachapuriError, until: this.now() + ms });
  }
}

function rememberedMs({ code, retryAfterSeconds = 1 }: KhachapuriError): number {
  if (code === "not_found") return ABSENT_REMEMBERED_MS;
  if (code !== "ipfs_unavailable" && code !== "ipfs_mismatch") return 0;
  return Math.min(retryAfterSeconds * 1_000, OUTAGE_REMEMBERED_MS);
}

/**
 * What names of ENS and DNS point to, as it was looked up last. Beyond its time an answer is given
 * once more while the name is looked up again; where that fails, it stays until somebody knows
 * better. Who says that there is nothing is believed, an outage says nothing.
 */
import type { CidText } from "../../cid.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import {
  NAME_ABSENCE_SECONDS_MAX,
  NAME_LOOKUPS_MAX,
  NAME_TTL_SECONDS_MAX,
  NAME_TTL_SECONDS_MIN,
  NAMES_REMEMBERED_MAX,
  PAID_NAMES_REMEMBERED_MAX,
  PAYER_NAMES_REMEMBERED_MAX,
} from "../../limits_of_names.ts";
import { Lru } from "../../lru.ts";
import type { OutsideName } from "../http/name_text.ts";
import type { NameLookupRates } from "./lookup_rates.ts";
import type { ResolutionStore } from "./resolution_store.ts";

/** What a lookup found. */
export interface Found {
  readonly cid: CidText | null;
  /** How long it may be believed, seconds; null: that was not said. */
  readonly ttl: number | null;
  /** Why what stands there cannot be called; null: nothing stands there. */
  readonly why?: string | null;
}

/** @throws KhachapuriError when nobody can say */
export type LookUp = (name: string) => Promise<Found>;

export interface Resolution extends OutsideName {
  /** Null: it points to nothing that could be called. */
  readonly cid: CidText | null;
  /** Why what stands there cannot be called; null: nothing stands there. */
  readonly why: string | null;
  /** Since when it is known to point there, Unix ms. */
  readonly since: number;
  /** When somebody said so last, Unix ms. */
  readonly checkedAt: number;
  /** Until when it is believed without a look, Unix ms. */
  readonly until: number;
}

/** A name that a call was paid by. */
interface PaidResolution extends Resolution {
  /** Who brought it among those; null: nobody in particular. */
  readonly by: string | null;
}

export interface ResolutionsOptions {
  lookUp: Readonly<Record<OutsideName["kind"], LookUp>>;
  rates: Pick<NameLookupRates, "admit">;
  store: ResolutionStore;
  now: () => number;
}

/** Where nobody says how long to believe what a name points to, seconds. */
const TTL_SECONDS_DEFAULT = 60;
/** An answer that has been old for longer is not given before a lookup has failed, ms. */
const STALE_MS = 10 * 60_000;
/** After a lookup that failed the next one waits so long, ms. */
const RETRY_MS = 5_000;

export class Resolutions {
  readonly #options: ResolutionsOptions;
  /** Those that a call was paid by: what is asked for free does not push them out. */
  readonly #paid = new Lru<string, PaidResolution>(PAID_NAMES_REMEMBERED_MAX);
  readonly #others = new Lru<string, Resolution>(NAMES_REMEMBERED_MAX);
  readonly #failures = new Lru<string, { error: KhachapuriError; until: number }>(
    NAMES_REMEMBERED_MAX,
  );
  readonly #lookups = new Map<string, Promise<Resolution>>();

  constructor(options: ResolutionsOptions) {
    this.#options = options;
    for (const stored of options.store.all()) {
      this.#paid.set(keyOf(stored), { ...stored, why: null, until: 0, by: null });
    }
  }

  /**
   * What a name points to.
   * @param from the caller's address, by which lookups are limited
   * @throws KhachapuriError `name_unavailable`, `chain_unavailable`, `rate_limited`, `overloaded`
   * when that is not known, and cannot be found out now
   */
  async get(name: OutsideName, from: string): Promise<Resolution> {
    const known = this.known(name);
    const { now } = this.#options;
    if (known && now() < known.until) return known;
    const failure = this.#failures.get(keyOf(name));
    const isResting = failure !== undefined && now() < failure.until;
    if (known && (isResting || now() < known.until + STALE_MS)) {
      if (!isResting) this.#look(name, from).catch(() => {});
      return known;
    }
    if (isResting) throw failure.error;
    return await this.#look(name, from).catch((error) => {
      if (known) return known;
      throw error;
    });
  }

  /** What was said of a name last. */
  known(name: OutsideName): Resolution | undefined {
    const key = keyOf(name);
    return this.#paid.get(key) ?? this.#others.get(key);
  }

  /**
   * A credit was taken for a call by the name: what it points to is known across outages and
   * restarts from now on. That somebody paid its deployment says nothing of the name, as anybody
   * can point theirs at it.
   * @param by who chose the name: each brings so many; null: it is not known who
   */
  notePaid(name: OutsideName, by: string | null): void {
    const resolution = this.#others.peek(keyOf(name));
    if (!resolution?.cid) return;
    this.#makeRoom(by);
    this.#keep(resolution, { by });
  }

  /** Whether it is longer ago than may be believed that somebody said so. */
  isStale({ until }: Resolution): boolean {
    return this.#options.now() >= until;
  }

  /** Whether a name is known to point to `cid`. */
  points(cid: CidText): boolean {
    for (const names of [this.#paid, this.#others]) {
      for (const key of names.keys()) if (names.peek(key)!.cid === cid) return true;
    }
    return false;
  }

  /** Resolves when no lookup is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#lookups.values());
  }

  /** All who wait for one name wait for one lookup. */
  async #look(name: OutsideName, from: string): Promise<Resolution> {
    const key = keyOf(name);
    const underWay = this.#lookups.get(key);
    if (underWay) return await underWay;
    if (this.#lookups.size >= NAME_LOOKUPS_MAX) throw tooMany();
    this.#options.rates.admit(from, this.#paid.peek(key) !== undefined);
    const lookup = this.#lookUp(name).finally(() => this.#lookups.delete(key));
    this.#lookups.set(key, lookup);
    return await lookup;
  }

  async #lookUp(name: OutsideName): Promise<Resolution> {
    const { lookUp, now } = this.#options;
    const key = keyOf(name);
    try {
      const found = await lookUp[name.kind](name.name);
      this.#failures.delete(key);
      return this.#take(name, found);
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      this.#failures.set(key, { error, until: now() + RETRY_MS });
      throw error;
    }
  }

  #take(name: OutsideName, { cid, ttl, why = null }: Found): Resolution {
    const now = this.#options.now();
    const before = this.known(name);
    const since = before?.cid === cid ? before.since : now;
    const until = now + 1_000 * believedSeconds(cid, ttl);
    const resolution: Resolution = { ...name, cid, why, since, checkedAt: now, until };
    this.#keep(resolution, this.#paid.peek(keyOf(name)) ?? null);
    return resolution;
  }

  /** Once it was paid by, a name stays among those, wherever it points next. */
  #keep(resolution: Resolution, paid: Pick<PaidResolution, "by"> | null): void {
    const { store } = this.#options;
    const { cid } = resolution;
    const key = keyOf(resolution);
    if (paid && cid !== null) {
      this.#others.delete(key);
      this.#paid.set(key, { ...resolution, by: paid.by });
      store.put({ ...resolution, cid });
    } else {
      if (paid) this.#drop(key);
      this.#others.set(key, resolution);
    }
  }

  /** Whoever brought as many names as one may gives up its own, not those of others. */
  #makeRoom(by: string | null): void {
    const all = [...this.#paid.keys()];
    const own = by === null ? [] : all.filter((key) => this.#paid.peek(key)!.by === by);
    if (own.length >= PAYER_NAMES_REMEMBERED_MAX) this.#drop(own[0]!);
    else if (all.length >= PAID_NAMES_REMEMBERED_MAX) this.#drop(all[0]!);
  }

  #drop(key: string): void {
    this.#options.store.drop(this.#paid.peek(key)!);
    this.#paid.delete(key);
  }
}

function believedSeconds(cid: CidText | null, ttl: number | null): number {
  const most = cid === null ? NAME_ABSENCE_SECONDS_MAX : NAME_TTL_SECONDS_MAX;
  return Math.min(Math.max(ttl ?? TTL_SECONDS_DEFAULT, NAME_TTL_SECONDS_MIN), most);
}

function keyOf({ kind, name }: OutsideName): string {
  return `${kind}:${name}`;
}

function tooMany(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many names are being looked up", {
    retryAfterSeconds: 1,
  });
}

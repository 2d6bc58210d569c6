/** A program's versions: requests get the latest, and one goes when its last request has ended. */
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";

/** A version in use; the same number of `release` as of `take`. */
export interface Taken<Version> {
  readonly version: Version;
  /** Calling it again does nothing. */
  release(): void;
}

export interface VersionsOptions<Version> {
  /**
   * Makes the next version; null: nothing has changed, the last one stays.
   * @throws KhachapuriError why there is none, which is what requests are answered
   */
  build(): Promise<Version | null>;
  /** @param fault why there is no version; null: there is one, which is new */
  onBuilt(fault: KhachapuriError | null, ms: number): void;
}

/** Something that is told when a newer one has come. */
export interface Retirable extends AsyncDisposable {
  retire(): void;
}

export class Versions<Version extends Retirable> {
  readonly #options: VersionsOptions<Version>;
  #latest: Promise<Shared<Version>>;
  /** Of changes that no build has begun for, when each has settled. */
  #waiting: Promise<void>[] = [];
  /** Those that are not gone. */
  readonly #all = new Set<Shared<Version>>();

  constructor(options: VersionsOptions<Version>) {
    this.#options = options;
    this.#latest = this.#after(Promise.resolve(null));
  }

  /**
   * Something changes: whoever asks from now on gets what is built once it has settled. However
   * much changes, one build is under way and one waits.
   */
  renew(settled: Promise<void>): void {
    this.#waiting.push(settled);
    if (this.#waiting.length === 1) this.#latest = this.#after(this.#latest);
  }

  /** @throws KhachapuriError why there is no version */
  async take(): Promise<Taken<Version>> {
    return (await this.#latest).take();
  }

  /** Ends all versions, with what runs on them; nothing may change any more. */
  async close(): Promise<void> {
    await this.#latest.catch(() => null);
    await Promise.all(Array.from(this.#all, (shared) => shared.end()));
  }

  #after(before: Promise<Shared<Version> | null>): Promise<Shared<Version>> {
    const next = this.#build(before);
    next.catch(() => {}); // Whoever asks is told.
    return next;
  }

  async #build(before: Promise<Shared<Version> | null>): Promise<Shared<Version>> {
    const last = await before.catch(() => null);
    await Promise.all(this.#waiting.splice(0));
    const from = performance.now();
    try {
      const version = await this.#options.build();
      if (version === null) return last!;
      this.#options.onBuilt(null, performance.now() - from);
      last?.retire();
      const shared = new Shared(version, () => this.#all.delete(shared));
      this.#all.add(shared);
      return shared;
    } catch (thrown) {
      last?.retire();
      const error = asKhachapuriError(thrown);
      this.#options.onBuilt(error, performance.now() - from);
      throw error;
    }
  }
}

/** A version with those who use it. */
class Shared<Version extends Retirable> {
  #users = 1;
  readonly #leave = this.#once();
  #end: Promise<void> | null = null;

  constructor(private readonly version: Version, private readonly onGone: () => void) {}

  take(): Taken<Version> {
    this.#users += 1;
    return { version: this.version, release: this.#once() };
  }

  /** Nobody takes it any more. */
  retire(): void {
    this.version.retire();
    this.#leave();
  }

  /** Ends it, whoever uses it; resolves when it is gone. */
  end(): Promise<void> {
    return this.#end ??= Promise.resolve(this.version[Symbol.asyncDispose]()).finally(this.onGone);
  }

  #once(): () => void {
    let isDone = false;
    return () => {
      if (isDone) return;
      isDone = true;
      this.#users -= 1;
      if (this.#users === 0) void this.end();
    };
  }
}

/**
 * Has the provider do what its files say now: a certificate is read anew in place, for all else a
 * successor is started that takes over. Whatever is wrong with what it would do, this one goes on.
 */
import { KhachapuriError, knownCode } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { Successor } from "./launch.ts";
import type { Notice } from "./service_manager.ts";
import { changesOf, type Standing } from "./standing.ts";

/**
 * By then a successor serves, or is given up. A small server that is busy takes its time; systemd
 * gives a reload as long as our unit gives a start (TimeoutStartSec, 300 s), and who asked for it
 * is to hear the reason before that.
 */
export const LONGEST_SUCCESSION_MS = 180_000;

export interface ReloadParts {
  /** What we were started with. */
  readonly standing: Standing;
  /** What lies there now. @throws KhachapuriError as a start with it would */
  look(): Promise<Standing>;
  /**
   * Uses the certificate's files as they are now.
   * @returns whether they had changed
   * @throws KhachapuriError `invalid_config` for what is no certificate; the old one stays
   */
  renewCertificate(): Promise<boolean>;
  /** @throws KhachapuriError where there is nothing to start, or it may not be started */
  launch(): Promise<Successor>;
  /** Resolves once a successor serves. */
  readonly succeeded: Promise<void>;
  /** The service manager. */
  tell(notice: Notice): Promise<void>;
  readonly log: Log;
  now(): number;
  /** How long a successor may take until it serves, ms; default LONGEST_SUCCESSION_MS. */
  readonly withinMs?: number;
}

export type Reloaded =
  | { readonly outcome: "unchanged" | "certificate" }
  | {
    readonly outcome: "succeeded";
    readonly pid: number;
    readonly changes: readonly string[];
  };

/** What a successor says when it cannot serve. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hints: readonly string[];
}

export interface ReloadOptions {
  /** Starts a successor though nothing has changed. */
  readonly isForced?: boolean;
  /** Hears what is being done. */
  readonly onProgress?: (line: string) => void;
}

export class Reloads {
  readonly #parts: ReloadParts;
  #sinceMs: number | null = null;
  #refuse: ((error: KhachapuriError) => void) | null = null;
  #successor: Successor | null = null;

  constructor(parts: ReloadParts) {
    this.#parts = parts;
  }

  /** Who goes on in our stead, or is about to; null: nobody. */
  get successor(): Successor | null {
    return this.#successor;
  }

  /** We are about to end: nobody starts in our stead any more. */
  close(): void {
    if (this.#sinceMs !== null) this.#successor?.signal("SIGKILL");
  }

  /** A successor of ours cannot serve, and says why. */
  refused({ code, message, hints }: Refusal): void {
    this.#refuse?.(new KhachapuriError(knownCode(code) ?? "internal", message, { hints }));
  }

  /**
   * @throws KhachapuriError what is wrong with the files, or with a successor; `overloaded` while
   * another one is under way
   */
  async reload(options: ReloadOptions = {}): Promise<Reloaded> {
    const { log, now } = this.#parts;
    if (this.#sinceMs !== null) {
      const seconds = Math.round((now() - this.#sinceMs) / 1_000);
      throw new KhachapuriError("overloaded", `another reload is under way, for ${seconds} s`, {
        hints: ["wait for its end: the provider's log tells of it"],
      });
    }
    this.#sinceMs = now();
    try {
      return await this.#reload(options);
    } catch (error) {
      log.error("reload refused, everything stays as it is", { error });
      throw error;
    } finally {
      this.#sinceMs = null;
    }
  }

  async #reload({ isForced = false, onProgress = () => {} }: ReloadOptions): Promise<Reloaded> {
    const { standing, look, renewCertificate, log } = this.#parts;
    const changes = changesOf(standing, await look());
    if (changes.length === 0 && !isForced) {
      return { outcome: await renewCertificate() ? "certificate" : "unchanged" };
    }
    for (const change of changes) onProgress(change);
    log.info("starting a successor", { changes });
    onProgress("starting a successor");
    await this.#parts.tell({ RELOADING: "1", STATUS: "starting a successor" });
    try {
      const pid = await this.#succeed();
      log.info("a successor serves", { pid });
      await this.#parts.tell({ MAINPID: String(pid) });
      return { outcome: "succeeded", pid, changes };
    } catch (error) {
      this.#successor = null;
      // The manager counts us as reloading until it hears this.
      await this.#parts.tell({ READY: "1", STATUS: `serving; reload refused: ${error}` });
      throw error;
    }
  }

  /** @returns the successor's process id */
  async #succeed(): Promise<number> {
    const { launch, succeeded, withinMs = LONGEST_SUCCESSION_MS } = this.#parts;
    const successor = this.#successor = await launch();
    const { promise: refusal, reject } = Promise.withResolvers<never>();
    this.#refuse = reject;
    const ended = successor.ended.then((code) => {
      throw endedEarly(code);
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooLate(withinMs)), withinMs);
    });
    ended.catch(() => {});
    try {
      await Promise.race([succeeded, refusal, ended, late]);
      return successor.pid;
    } catch (error) {
      // Neither a hung one nor one that has not ended yet may come to serve after this.
      successor.signal("SIGKILL");
      await successor.ended;
      throw error;
    } finally {
      clearTimeout(timer);
      this.#refuse = null;
    }
  }
}

function endedEarly(code: number): KhachapuriError {
  const reason = `the successor ended with exit code ${code} before it served`;
  return new KhachapuriError("provider_unavailable", reason, {
    hints: ["the provider's log has its last words: journalctl -u khachapuri"],
  });
}

function tooLate(ms: number): KhachapuriError {
  const reason = `the successor did not come to serve within ${ms / 1_000} s and was ended`;
  return new KhachapuriError("provider_unavailable", reason, {
    hints: ["khachapuri doctor looks at all that a start waits for"],
  });
}

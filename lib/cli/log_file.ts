/**
 * A log in a file that never takes more than so much disk: beyond its size it is renamed, and what
 * was renamed longest ago goes. For whoever runs a provider by hand; under systemd the journal does
 * that.
 */
import { isAbsolute, join } from "node:path";
import { KhachapuriError } from "../errors.ts";

/** Files beside the one that is written: FILE.1 is the latest of them. */
const KEPT = 4;
/** Between two attempts to open a file that could not be written, ms. */
const RETRY_MS = 5_000;

export class LogFile {
  #file: Deno.FsFile | null = null;
  #bytes = 0;
  /** Lines that could not be written. */
  #lost = 0;
  #retryAt = 0;

  private constructor(
    private readonly path: string,
    private readonly bytesMax: number,
    private readonly now: () => number,
  ) {}

  /**
   * @param path relative to the folder that the command was started in
   * @param bytesMax of each file
   * @throws KhachapuriError `file_unusable`
   */
  static open(path: string, bytesMax: number, now: () => number = Date.now): LogFile {
    const log = new LogFile(isAbsolute(path) ? path : join(Deno.cwd(), path), bytesMax, now);
    try {
      log.#open();
    } catch (cause) {
      throw new KhachapuriError("file_unusable", `the log ${path} cannot be written`, {
        cause,
        hints: ["its folder is to be there, and writable for this user"],
      });
    }
    return log;
  }

  /** Never throws: a provider goes on without its log, and says later how much it lacks. */
  write(line: string): void {
    const bytes = new TextEncoder().encode(line);
    try {
      this.#makeReady(bytes.length);
      this.#put(bytes);
    } catch {
      this.#lost += 1;
      this.#retryAt = this.now() + RETRY_MS;
      this.close();
    }
  }

  close(): void {
    try {
      this.#file?.close();
    } catch {
      // It was closed by what made it unusable.
    }
    this.#file = null;
  }

  #makeReady(bytes: number): void {
    if (this.#file === null) {
      if (this.now() < this.#retryAt) throw new Error("it is too early");
      this.#open();
    }
    if (this.#bytes > 0 && this.#bytes + bytes > this.bytesMax) this.#rotate();
    if (this.#lost === 0) return;
    const time = new Date(this.now()).toISOString();
    const facts = { time, level: "warn", message: "log lines were lost", lines: this.#lost };
    this.#put(new TextEncoder().encode(`${JSON.stringify(facts)}\n`));
    this.#lost = 0;
  }

  #open(): void {
    const file = Deno.openSync(this.path, { create: true, append: true, mode: 0o600 });
    this.#bytes = file.statSync().size;
    this.#file = file;
  }

  #put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.#file!.writeSync(bytes.subarray(at));
    this.#bytes += bytes.length;
  }

  /** Each takes the place of the one before it. */
  #rotate(): void {
    this.close();
    for (let at = KEPT; at >= 1; at--) {
      const from = at === 1 ? this.path : `${this.path}.${at - 1}`;
      try {
        Deno.renameSync(from, `${this.path}.${at}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    this.#open();
  }
}

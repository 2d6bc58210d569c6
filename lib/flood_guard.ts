/**
 * Keeps one message from filling a log: what comes too often is counted in place of being written.
 * Whoever has it written, a stranger or a disk that fails, the log stays readable and bounded.
 */
import { LOG_LINES_MAX, LOG_MESSAGES_MAX } from "./limits_of_logs.ts";
import { Lru } from "./lru.ts";

const WINDOW_MS = 10_000;

interface Window {
  begunAt: number;
  lines: number;
  suppressed: number;
}

export class FloodGuard {
  readonly #windows = new Lru<string, Window>(LOG_MESSAGES_MAX);

  /**
   * @param now ms
   * @param later calls back after so many ms, unless the process has ended by then
   */
  constructor(
    private readonly now: () => number,
    private readonly later: (callback: () => void, ms: number) => void = afterwards,
  ) {}

  /**
   * Whether one more line of the message is to be written.
   * @param tell is told after a while how many were not
   */
  admits(message: string, tell: (suppressed: number) => void): boolean {
    const window = this.#windowOf(message);
    if (window.lines < LOG_LINES_MAX) {
      window.lines += 1;
      return true;
    }
    window.suppressed += 1;
    if (window.suppressed === 1) this.later(() => tell(window.suppressed), WINDOW_MS);
    return false;
  }

  #windowOf(message: string): Window {
    const now = this.now();
    const known = this.#windows.get(message);
    if (known && now - known.begunAt < WINDOW_MS && now >= known.begunAt) return known;
    const fresh = { begunAt: now, lines: 0, suppressed: 0 };
    this.#windows.set(message, fresh);
    return fresh;
  }
}

function afterwards(callback: () => void, ms: number): void {
  Deno.unrefTimer(setTimeout(callback, ms));
}

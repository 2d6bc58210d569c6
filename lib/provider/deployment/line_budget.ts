/**
 * What a node sends of its run log to its fleet: programs write as much as they like to stderr, and
 * all nodes' lines go through one database. A line is no longer than so much; beyond so many bytes
 * a second runs are told without what they wrote, and servers' rows are left out.
 */
import { Buffer } from "node:buffer";
import {
  SHARED_LINE_BYTES_MAX,
  SHARED_LINES_BURST_BYTES_MAX,
  SHARED_LINES_BYTES_PER_SECOND_MAX,
} from "../../limits_of_logs.ts";
import { TokenBucket } from "../../token_bucket.ts";
import { type LogLine, parseRun } from "./run_log.ts";

export class LineBudget {
  readonly #bytes: TokenBucket;
  #shortened = 0;

  /**
   * @param waitUpTo lines up to this number wait until there is room: there are no more of them
   * @param now ms
   */
  constructor(private readonly waitUpTo: number, now = () => performance.now()) {
    const perSecond = SHARED_LINES_BYTES_PER_SECOND_MAX;
    this.#bytes = new TokenBucket(SHARED_LINES_BURST_BYTES_MAX, perSecond, now);
  }

  /**
   * The first of these lines as far as they go now.
   * @returns what is sent of them, and the number that all are done with up to; null: none goes
   */
  take(lines: readonly LogLine[]): { sent: LogLine[]; upTo: number } | null {
    const sent: LogLine[] = [];
    let upTo: number | null = null;
    for (const line of lines) {
      const whole = line.isServers ? line : { ...line, text: shorten(line.text) };
      const isTaken = this.#bytes.take(Buffer.byteLength(whole.text));
      if (!isTaken && line.number <= this.waitUpTo) break;
      if (isTaken) sent.push(whole);
      else if (!line.isServers) sent.push({ ...line, text: withStderr(line.text, 0) });
      if (!isTaken) this.#shortened += 1;
      upTo = line.number;
    }
    return upTo === null ? null : { sent, upTo };
  }

  /** Lines that were left out, or sent without what a program wrote, since this was asked. */
  takeShortened(): number {
    const shortened = this.#shortened;
    this.#shortened = 0;
    return shortened;
  }
}

/** Leaves so much of what a program wrote, from the beginning, as a line has room for. */
function shorten(text: string): string {
  let short = text;
  for (let part = 2; Buffer.byteLength(short) > SHARED_LINE_BYTES_MAX && part <= 64; part *= 2) {
    short = withStderr(text, 1 / part);
  }
  return short;
}

function withStderr(text: string, part: number): string {
  const run = parseRun(text);
  return JSON.stringify({ ...run, stderr: run.stderr.slice(0, run.stderr.length * part) });
}

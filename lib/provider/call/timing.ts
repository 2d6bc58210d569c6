/**
 * Where the time of a call went (W3C Server Timing), for whoever pays for it and asks. Anybody else
 * would learn from it what others do here: how many wait, and what was called of late.
 */
import { formatServerTiming, SERVER_TIMING_HEADER, TIMING_HEADER } from "../../server_timing.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HeaderField } from "../http/header_rules.ts";

/** What comes before a run, each with all that was waited for under it. */
type Phase = "queue" | "fetch" | "start";

export class CallTiming {
  readonly #phases: Record<Phase, number> = { queue: 0, fetch: 0, start: 0 };
  #at: number;

  /** @param now the clock, ms */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#at = now();
  }

  /** So far it was this phase; one that had ended before the last one did takes no time. */
  lap(phase: Phase, until = this.now()): void {
    const at = Math.max(this.#at, until);
    this.#phases[phase] += at - this.#at;
    this.#at = at;
  }

  /**
   * The field of an answer whose run began with the last phase's end.
   * @param wallMs what all of the run took; null while it goes on
   */
  fields(wallMs: number | null): HeaderField[] {
    const run = wallMs === null
      ? { name: "run", ms: this.now() - this.#at, description: "until the answer began" }
      : { name: "run", ms: wallMs };
    const phases = Object.entries(this.#phases).map(([name, ms]) => ({ name, ms }));
    return [
      [SERVER_TIMING_HEADER.toLowerCase(), formatServerTiming([...phases, run])],
      ["access-control-expose-headers", SERVER_TIMING_HEADER],
    ];
  }
}

/** A clock for a call that asks for one; null for any other, which has none to be read. */
export function askedTiming(fields: FieldReader): CallTiming | null {
  const asked = fields.get(TIMING_HEADER);
  return asked === null || asked === "0" ? null : new CallTiming();
}

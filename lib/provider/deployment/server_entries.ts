/** What is kept of a deployment's server beside the runs that it answered. */

/** Whole lines that an instance wrote to stdout or stderr. */
export interface LoggedOutput {
  /** When the first of them came, Unix ms. */
  at: number;
  /** Counts from 1, in the order in which the server's instances were started. */
  instance: number;
  /** With a newline between two lines, and none at the end. */
  output: string;
}

/** What became of an instance. */
export interface LoggedLife {
  /** Unix ms. */
  at: number;
  instance: number;
  /** It listens, it never did, or it is over. */
  event: "started" | "failed" | "ended";
  /** How long it took until it listened; null where it did not come to. */
  readyMs: number | null;
  /** Of one that ended: "idle", "drained", "timeout", "crashed" or "escaped"; else null. */
  why: string | null;
  /** In words; null of one that started. */
  reason: string | null;
}

export type ServerEntry = LoggedOutput | LoggedLife;

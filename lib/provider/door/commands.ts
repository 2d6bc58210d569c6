/** What commands of this machine may ask of a provider that runs: its verbs (control/). */
import type { Control } from "../control/control_server.ts";

/** The answer to `status`. */
export interface Status {
  pid: number;
  /** Where it listens. */
  url: string;
  /** Since when, ms since the epoch. */
  since: number;
}

/** Has the verbs handled. */
export function takeCommands(control: Control, status: Status): void {
  control.on("status", () => Promise.resolve(status));
}

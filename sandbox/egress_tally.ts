/** What one run's sandbox has done with its way out while the run lasted. */
import { RUN_UNREACHED_MAX } from "../lib/limits.ts";
import { type EgressEvent, type EgressFailure, type EgressUsage, usedSince } from "./egress.ts";

/** A host that was not reached, and why. */
export interface Unreached {
  host: string;
  /** null: its name was asked for, and is not listed. */
  port: number | null;
  failure: EgressFailure | "notListed";
}

/** Of all runs of the sandbox while this one lasted: whose connections are whose is not known. */
export interface EgressRecord extends EgressUsage {
  /** Each once, the first RUN_UNREACHED_MAX of them. */
  unreached: readonly Unreached[];
}

export class EgressTally {
  readonly #before: EgressUsage;
  #now: EgressUsage;
  readonly #unreached = new Map<string, Unreached>();

  /** @param before what was used when the run began */
  constructor(before: EgressUsage) {
    this.#before = before;
    this.#now = before;
  }

  note(event: EgressEvent): void {
    if (event.kind === "used") this.#now = event;
    else if (event.kind === "asked") this.#add({ ...event, port: null, failure: "notListed" });
    else this.#add(event);
  }

  record(): EgressRecord {
    return { ...usedSince(this.#now, this.#before), unreached: [...this.#unreached.values()] };
  }

  #add({ host, port, failure }: Unreached): void {
    const key = `${host}:${port}:${failure}`;
    if (this.#unreached.size === RUN_UNREACHED_MAX && !this.#unreached.has(key)) return;
    this.#unreached.set(key, { host, port, failure });
  }
}

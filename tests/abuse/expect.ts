/** What a case is, and the words in which its outcome is checked. */
import assert from "node:assert/strict";
import type { Control } from "./outside.ts";
import type { Facts } from "./program.ts";

/** What a caller got. */
export interface Answer {
  status: number;
  /** Code and data of an error answer. */
  error: { error?: string; limit?: string };
  facts: Facts;
  bytes: number;
  /** The body broke off. */
  cut: boolean;
  ms: number;
}

export interface Case {
  what: string;
  attack: string;
  argument?: string;
  body?: Uint8Array<ArrayBuffer>;
  timeoutMs?: number;
  /** Throws when the sandbox let something through. */
  check(answer: Answer): void;
  /** Shows that it is an attack: it works without the sandbox. */
  outside: Control;
}

/** Where this machine keeps what programs must not see. */
export interface Surroundings {
  keyFile: string;
  /** A file of the neighbour's unpacked program. */
  otherProgram: string;
  /** Something listens there, and on the abstract socket that is named in network.c. */
  loopbackPort: number;
}

const REFUSALS = new Set([
  "EPERM",
  "ENOSYS",
  "EACCES",
  "ENOENT",
  "EROFS",
  "ENXIO",
  "ESRCH",
  "EAFNOSUPPORT",
  "EPROTONOSUPPORT",
  "ENETUNREACH",
  "ECONNREFUSED",
  "EINVAL",
  "ENOMEM",
]);

/** Every fact but the frame is a refusal. */
export function refused(facts: Facts, ...except: string[]): void {
  ran(facts);
  let count = 0;
  for (const [name, values] of facts) {
    if (["ran", "end", ...except].includes(name)) continue;
    for (const value of values) assert(REFUSALS.has(value), `${name}: ${value}`);
    count++;
  }
  assert(count > 0, "the program told nothing");
}

export function ran(facts: Facts): void {
  assert(facts.has("ran"), "the program did not run");
  assert(facts.has("end"), "the program did not come to its end");
}

export function has(facts: Facts, want: Record<string, string | number>): void {
  for (const [name, value] of Object.entries(want)) {
    assert.deepEqual(facts.get(name), [String(value)], name);
  }
}

export const number = (facts: Facts, name: string) => Number(facts.get(name)?.[0] ?? NaN);

export function between(facts: Facts, name: string, min: number, max: number): void {
  const value = number(facts, name);
  assert(value >= min && value <= max, `${name}: ${value}`);
}

/** Cut off by the clock: a 504, or an answer that had begun and broke off. */
export function timedOut({ facts, cut, status, error, ms }: Answer, withinMs = 4_000): void {
  if (facts.has("ran")) assert(cut, "not cut off");
  else assert.deepEqual([status, error.error], [504, "program_timeout"]);
  assert(ms < withinMs, `${ms} ms`);
}

/** How kinds of failure are told from what runs leave behind, and what is said of them. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { Spec } from "../../spec/schema.ts";

/** Where a program runs, as what can be done about a failure depends on it. */
export interface Place {
  /** The command that is given other flags. */
  readonly command: "deploy" | "run" | "dev";
  /** Hosts that its developer has put elsewhere: host:port to address:port. */
  readonly connectTo: Readonly<Record<string, string>>;
}

/** How a program is given a flag of its developer's. */
export function withFlag({ command }: Place, flag: string): string {
  return command === "deploy" ? `deploy with ${flag}` : `start ${command} with ${flag}`;
}

/** What to do about a run whose time was over, as that of an event stream or a WebSocket is. */
export function moreTime(place: Place): string {
  return `${withFlag(place, "--credits N")} if it is to take N times as long`;
}

/** Of hosts that a provider has put elsewhere its owners are told nothing. */
export const AT_A_PROVIDER: Place = { command: "deploy", connectTo: {} };

export interface Evidence {
  readonly record: Pick<
    RunRecord,
    "exit" | "signal" | "limit" | "stderr" | "listeningPort" | "egress"
  >;
  readonly interface: Spec["interface"];
  /** Hosts that its spec lists. */
  readonly mayCall: readonly string[];
  readonly place: Place;
  /** The beginning of an answer without a head; null when it had one, or there is no answer. */
  readonly beginning: Uint8Array | null;
  /** What was wrong with the answer, in words; null when nothing was. */
  readonly answerFault: string | null;
}

export interface Diagnosis {
  /** For callers: what kind of failure it is, in the words that follow a colon. */
  readonly short: string;
  /** For the owner: the same, with what exactly. */
  readonly full: string;
  /** For the owner: what to do. */
  readonly hint: string;
}

/** Of stderr so much is looked at, at its beginning and at its end: what failed stands there. */
export const LOOKED_AT_BYTES = 4 * 1024;

/** What is said to the owner, and to callers where that is not what its kind says. */
export type Words = Pick<Diagnosis, "full" | "hint"> & Partial<Pick<Diagnosis, "short">>;

/** One kind of failure that can be told. */
export interface Detector {
  readonly name: string;
  readonly detect: (evidence: Evidence) => Diagnosis | null;
}

function endsOf({ record: { stderr } }: Evidence): string {
  const end = Math.max(LOOKED_AT_BYTES, stderr.length - LOOKED_AT_BYTES);
  const text = new TextDecoder();
  return `${text.decode(stderr.subarray(0, LOOKED_AT_BYTES))}\n${
    text.decode(stderr.subarray(end))
  }`;
}

/** What a program wrote, made fit to be quoted in one line. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200)).slice(1, -1);
}

/** A kind of failure that programs themselves name on stderr, one pattern a language. */
export function said(
  name: string,
  short: string,
  patterns: readonly RegExp[],
  words: (named: string | null, evidence: Evidence) => Words | null,
): Detector {
  return {
    name,
    detect(evidence) {
      const text = endsOf(evidence);
      for (const pattern of patterns) {
        const match = pattern.exec(text);
        if (!match) continue;
        const named = match.slice(1).find((group) => group !== undefined) ?? null;
        const told = words(named === null ? null : quote(named), evidence);
        if (told !== null) return { short, ...told };
      }
      return null;
    },
  };
}

/** What an HTTP/2 case is: frames that are sent, and what has to come of them (RFC 9113). */
import { ECHO, type Seen } from "../case.ts";
import { block, DATA, END_HEADERS, END_STREAM, type FieldList, frame, HEADERS } from "./frames.ts";

export interface Http2Case {
  readonly name: string;
  /** Frames after the greeting, or instead of it. */
  readonly sends: string;
  readonly isGreeting?: true;
  readonly source: string;
  /**
   * Taken: the program saw this. Refused: a 4xx, or an error of the stream or the connection.
   * Ended: the connection is ended. Ignored: as if it had not been sent.
   */
  readonly outcome: "taken" | "refused" | "ended" | "ignored";
  readonly seen?: Seen;
}

export const PSEUDO: FieldList = [
  [":method", "GET"],
  [":scheme", "https"],
  [":authority", "localhost"],
  [":path", `/${ECHO}/`],
];

/** The pseudo-header fields with some replaced, or left out by null. */
export function pseudo(changes: Readonly<Record<string, string | null>>): FieldList {
  return PSEUDO.flatMap(([name, value]) => {
    const changed = name in changes ? changes[name]! : value;
    return changed === null ? [] : [[name, changed] as const];
  });
}

/** A request without a body. */
export const bare = (fields: FieldList) =>
  frame(HEADERS, END_HEADERS | END_STREAM, 1, block(fields));
/** One with a body. */
export const bodied = (fields: FieldList, body: string) =>
  frame(HEADERS, END_HEADERS, 1, block(fields)) + frame(DATA, END_STREAM, 1, body);
export const POST = pseudo({ ":method": "POST" });
export const plus = (...fields: (readonly [string, string])[]) => [...PSEUDO, ...fields];

export const taken = (name: string, sends: string, source: string, seen: Seen): Http2Case => ({
  name,
  sends,
  source,
  outcome: "taken",
  seen,
});
export const refused = (name: string, sends: string, source: string): Http2Case => ({
  name,
  sends,
  source,
  outcome: "refused",
});
export const ended = (name: string, sends: string, source: string): Http2Case => ({
  name,
  sends,
  source,
  outcome: "ended",
});

export interface Http2Chapter {
  readonly title: string;
  readonly about: string;
  readonly cases: readonly Http2Case[];
}

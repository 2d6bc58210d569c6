/** What a row of docs/interfaces.md is: octets that are sent, and what comes of them. */
import type { Answer } from "../wire/connection.ts";

export const INTERFACES = ["curl", "cgi", "http"] as const;
export type Interface = typeof INTERFACES[number];

/** In the octets of a row, in place of the deployment's cid. */
export const DEPLOYMENT = "DEPLOYMENT";

/** What the program was given, as far as a row looks at it. */
export interface Told {
  readonly method?: string;
  /** The path behind the deployment's own, and the query. */
  readonly target?: string;
  /** Of the body, as the program was told it; null: it was not. */
  readonly length?: string | null;
  /** Transfer-Encoding; null: there was none. */
  readonly coding?: string | null;
  readonly body?: string;
  /** By name in lower case; null: the program must not see it. */
  readonly fields?: Readonly<Record<string, readonly string[] | null>>;
}

/** What comes of a row's request through one interface. */
export interface Outcome {
  /** In the page's table. */
  readonly says: string;
  readonly status: number;
  /** Whether the provider answers by itself, and charges nobody. */
  readonly isFree?: true;
  readonly told?: Told;
  readonly body?: string;
  readonly framing?: Answer["framing"];
  /** Of the answer; null: it must not have it. */
  readonly fields?: Readonly<Record<string, string | null>>;
  readonly trailers?: Answer["trailers"];
  /** Statuses of the interim answers before it; none by default. */
  readonly interim?: readonly number[];
}

/** Octets as Latin-1; text that has to come before the next piece; how the conversation ends. */
export type Piece = string | { readonly hear: string };

export interface Row {
  /** The row's and the test's name. */
  readonly name: string;
  /** A row whose course differs by interface has pieces for each. */
  readonly sends: readonly Piece[] | Readonly<Record<Interface, readonly Piece[]>>;
  /** Whether the caller hangs up behind the last piece, and the run has to end by that. */
  readonly hangsUp?: true;
  readonly source: string;
  readonly outcomes: Readonly<Record<Interface, Outcome>>;
}

export interface Chapter {
  readonly title: string;
  /** For the page: what the rows of this chapter are about. */
  readonly about: string;
  readonly rows: readonly Row[];
}

/** The same through each of them. */
export function everywhere(outcome: Outcome): Row["outcomes"] {
  return { curl: outcome, cgi: outcome, http: outcome };
}

/** A program that runs for each request has this in common, whichever way it is told of it. */
export function apart(run: Outcome, http: Outcome): Row["outcomes"] {
  return { curl: run, cgi: run, http };
}

/** Request line, Host and fields of a request to the deployment, up to its body. */
export function request(method: string, path: string, ...fields: string[]): string {
  const lines = [`${method} /${DEPLOYMENT}${path} HTTP/1.1`, "Host: provider.test", ...fields];
  return lines.map((line) => `${line}\r\n`).join("") + "\r\n";
}

export function piecesFor({ sends }: Row, kind: Interface): readonly Piece[] {
  return "curl" in sends ? sends[kind] : sends;
}

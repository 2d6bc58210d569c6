/** What a case of this folder is: octets that are sent, and what has to come of them. */

/** Deployments that cases call; the octets hold these in place of their cids, which are as long. */
export const ECHO = "e".repeat(59);
/** Its program prints half an answer and meets its time limit. */
export const CUT = "c".repeat(59);
/** Only a payer may call it, and the cases pay nothing. */
export const PAID = "p".repeat(59);

/** The provider's own host name, below which deployments have theirs. */
export const WEB_HOST = "provider.test";

/** What the program was given. */
export interface Seen {
  readonly method?: string;
  /** Path and query, as in the request. */
  readonly target?: string;
  readonly protocol?: string;
  readonly host?: string;
  readonly body?: string;
  /** By name in lower case, the values in order; an empty list: the program must not see it. */
  readonly fields?: Readonly<Record<string, readonly string[]>>;
}

/** One answer: of the provider, known by its status, or of a program, which is paid for. */
export interface Verdict {
  readonly method: string;
  /** Any of these. */
  readonly status: number | readonly number[];
  /** What the program told; of a program that tells nothing, `{}`. */
  readonly seen?: Seen;
  /** May be missing: the connection is closed then. */
  readonly isOptional?: true;
  /** How the answer must end; whole by default. */
  readonly isCut?: true;
  /** The very body, where it matters. */
  readonly body?: string;
  /** Field lines that the answer must not have, as `name: value`. */
  readonly lacks?: readonly string[];
  /** Fields of the answer: their values, in order. */
  readonly fields?: Readonly<Record<string, readonly string[]>>;
}

export interface WireCase {
  /** The row's and the test's name. */
  readonly name: string;
  /** Octets as Latin-1, piece by piece; `END` ends our side, `ANSWER` waits for an answer. */
  readonly sends: readonly string[];
  readonly source: string;
  readonly answers: readonly Verdict[];
  /** Whether a run may have begun that then had to be ended, which costs what a run costs. */
  readonly mayHaveRun?: true;
  /** What becomes of the connection; a kept one answers what is asked next. */
  readonly then: "kept" | "closed" | "kept or closed" | "reset";
}

export interface Chapter {
  readonly title: string;
  /** For the page: what the cases of this chapter are about. */
  readonly about: string;
  readonly cases: readonly WireCase[];
}

/** In place of a piece: our side of the connection ends. */
export const END = "\0end";
/** In place of a piece: the next answer is awaited first, be it an interim one. */
export const ANSWER = "\0answer";

type Sends = string | readonly string[];
const pieces = (sends: Sends) => typeof sends === "string" ? [sends] : sends;

/** Refused, with nothing else of the connection taken for a request. */
export function refused(
  name: string,
  sends: Sends,
  source: string,
  status: Verdict["status"] = 400,
): WireCase {
  const answers = [{ method: methodOf(pieces(sends)), status }];
  return { name, sends: pieces(sends), source, answers, then: "closed" };
}

/** Refused for what comes behind its head, which may have begun a run. */
export const spoiled = (...of: Parameters<typeof refused>): WireCase => ({
  ...refused(...of),
  mayHaveRun: true,
});

/**
 * Broken off by the caller. It is refused if anybody listens: who ends its side has mostly gone,
 * and cannot be told from who has not.
 */
export function brokenOff(name: string, sends: Sends, source: string): WireCase {
  const { answers: [verdict], ...rest } = spoiled(name, sends, source);
  const answers = [{ ...verdict!, isOptional: true as const }];
  return { ...rest, sends: [...pieces(sends), END], answers };
}

/** Taken: the program saw this, and the connection goes on. */
export function taken(
  name: string,
  sends: Sends,
  source: string,
  seen: Seen | readonly Seen[],
  then: WireCase["then"] = "kept",
): WireCase {
  const each = Array.isArray(seen) ? seen as readonly Seen[] : [seen as Seen];
  const answers = each.map((seen) => ({ method: seen.method ?? "GET", status: 200, seen }));
  return { name, sends: pieces(sends), source, answers, then };
}

/** Any other course of things. */
export function answered(
  name: string,
  sends: Sends,
  source: string,
  answers: readonly Verdict[],
  then: WireCase["then"],
): WireCase {
  return { name, sends: pieces(sends), source, answers, then };
}

function methodOf([first = ""]: readonly string[]): string {
  return /^HEAD /.test(first) ? "HEAD" : "GET";
}

/** A request head's beginning: request line and Host. */
export const get = (target = `/${ECHO}/`, ...fields: string[]) => request("GET", target, fields);
export const post = (body: string, ...fields: string[]) =>
  request("POST", `/${ECHO}/`, fields) + body;

export function request(method: string, target: string, fields: readonly string[] = []): string {
  const lines = [`${method} ${target} HTTP/1.1`, "Host: a", ...fields];
  return lines.map((line) => `${line}\r\n`).join("") + "\r\n";
}

/** A whole request which, where a case holds it, must never be taken for one. */
export const SMUGGLED = get(`/${ECHO}/smuggled`);

/** Why a server did not come to listen, in words: for those who called it, and for its owner. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { KhachapuriError } from "../../errors.ts";
import { SERVER_START_TIMEOUT_MS } from "../../limits_of_servers.ts";
import type { Listen } from "../../spec/server.ts";
import type { StartFault } from "../server/life.ts";
import { AT_A_PROVIDER, type Evidence, type Place, quote, withFlag } from "./detector.ts";
import { CGI_HEAD, diagnose } from "./diagnosis.ts";

/** What is known of an instance that did not come to listen. */
export interface FailedStart {
  /** How it ended; null: it had not, when its time to start was over. */
  readonly record:
    | Pick<RunRecord, "exit" | "signal" | "limit" | "listeningPort" | "egress">
    | null;
  /** What it printed, stdout and stderr in one; its beginning and its end will do. */
  readonly output: Uint8Array;
  /** Where it was to listen. */
  readonly listensOn: Listen;
  /** A port on which something of it did listen; null, or left out: none, or it is not known. */
  readonly listeningPort?: number | null;
  /** Hosts that its spec lists. */
  readonly mayCall?: readonly string[];
  readonly place?: Place;
}

export interface ServerFailure {
  /** For callers: nothing of what the server printed is in it. */
  readonly short: string;
  /** For the owner: the same, with what exactly. */
  readonly message: string;
  /** For the owner: what to do, and the last that it printed. */
  readonly hints: readonly string[];
}

const LAST_LINES = 3;
/** How a hint begins that is a line of what it printed. */
export const PRINTED = "it printed: ";

export function serverFailure(start: FailedStart): ServerFailure {
  const told = hasEndedItself(start) ? ended(start, start.record) : listensNot(start);
  const lines = lastLines(start.output).map((line) => `${PRINTED}${line}`);
  return { ...told, hints: [...told.hints, ...lines] };
}

/** The same as errors: its callers', and its owner's, who is the only caller of `run` and `dev`. */
export function startFault(start: FailedStart): StartFault {
  const { short, message, hints } = serverFailure(start);
  const limit = start.record?.limit ?? null;
  const isLimit = limit !== null && limit !== "aborted";
  const code = isLimit ? "program_limit" : "program_failed";
  const data = isLimit ? { limit } : {};
  const tell = (words: string, hints: readonly string[]) =>
    new KhachapuriError(code, `the server did not start: ${words}`, { hints, data });
  const toOwner = tell(message, hints);
  const isDeployed = (start.place ?? AT_A_PROVIDER).command === "deploy";
  const why = isDeployed ? tell(short, ["its owner finds more in `khachapuri logs CID`"]) : toOwner;
  return { why, toOwner };
}

/** One that was ended since its time to start was over has not: "aborted". */
function hasEndedItself(
  start: FailedStart,
): start is FailedStart & { record: NonNullable<FailedStart["record"]> } {
  return start.record !== null && start.record.limit !== "aborted";
}

/** It runs, and lets no connection in. */
function listensNot(start: FailedStart): ServerFailure {
  const { listensOn, record, place = AT_A_PROVIDER } = start;
  const port = start.listeningPort ?? record?.listeningPort ?? null;
  if (listensOn.kind === "fd") return takesNot(port, place);
  const wanted = listensOn.port;
  if (port === null) {
    return inOneSentence(
      `it did not listen on port ${wanted} within ${SERVER_START_TIMEOUT_MS / 1_000} s`,
      "have it listen on the port in its variable PORT, at 127.0.0.1 or at any address",
      "one that takes long to begin: listen first, load afterwards",
    );
  }
  if (port !== wanted) {
    return inOneSentence(
      `it listens on port ${port}, not on ${wanted}`,
      "have it listen on the port in its variable PORT, or " +
        withFlag(place, `--server-port ${port}`),
    );
  }
  return inOneSentence(
    `it listens on port ${port} of an address that is neither 127.0.0.1 nor ::1`,
    "have it listen at 127.0.0.1, or at any address: 0.0.0.0 or ::",
  );
}

function takesNot(port: number | null, place: Place): ServerFailure {
  if (port === null) {
    return inOneSentence(
      "it took no connection from its socket within " +
        `${SERVER_START_TIMEOUT_MS / 1_000} s: descriptor 3, as LISTEN_FDS=1 says`,
      withFlag(place, "--server-listen port") + " if it is to listen on a port of its own",
    );
  }
  return inOneSentence(
    `it listens on port ${port}, not on the socket that it is passed as descriptor 3`,
    withFlag(place, `--server-listen port --server-port ${port}`),
  );
}

function ended(start: FailedStart, record: NonNullable<FailedStart["record"]>): ServerFailure {
  const answered = answeredInstead(start);
  if (answered !== null) return answered;
  const how = endOf(record);
  const found = diagnose(evidenceOf(start, record));
  if (found !== null) {
    return {
      short: `${how}: ${found.short}`,
      message: `${how}: ${found.full}`,
      hints: [found.hint],
    };
  }
  if (record.exit !== 0) return inOneSentence(how);
  return inOneSentence(
    how,
    "a server stays: start it in the foreground, and last, as by exec in a script",
  );
}

function endOf({ exit, signal, limit }: NonNullable<FailedStart["record"]>): string {
  const before = "before it listened";
  if (limit === "memory") return `it hit its memory limit ${before}`;
  if (limit === "escaped") return "it went on working while it was to stand still";
  return signal === null ? `it exited with ${exit} ${before}` : `${signal} ended it ${before}`;
}

/** Of a program that is started for each request, and takes this for one. */
function answeredInstead({ output, place = AT_A_PROVIDER }: FailedStart): ServerFailure | null {
  const beginning = new TextDecoder("latin1").decode(output.subarray(0, 4 * 1024));
  const isCgi = CGI_HEAD.test(beginning);
  if (!isCgi && !/^HTTP\/[0-9.]{1,3} [0-9]{3}/.test(beginning)) return null;
  const kind = isCgi ? "cgi" : "curl";
  return inOneSentence(
    `it printed an answer and ended, as a program of interface ${kind} does`,
    withFlag(place, `--interface ${kind}`),
  );
}

/** Its one output is what programs otherwise write to stderr. */
function evidenceOf(
  { output, mayCall = [], place = AT_A_PROVIDER }: FailedStart,
  record: NonNullable<FailedStart["record"]>,
): Evidence {
  const own = { ...record, stderr: output };
  const answer = { beginning: null, answerFault: null };
  return { record: own, interface: "http", mayCall, place, ...answer };
}

function inOneSentence(sentence: string, ...hints: string[]): ServerFailure {
  return { short: sentence, message: sentence, hints };
}

function lastLines(output: Uint8Array): string[] {
  const text = new TextDecoder().decode(output.subarray(-4 * 1024));
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "")
    .slice(-LAST_LINES).map(quote);
}

/** A deployment's log as a person reads it. */
import type { DeploymentLog, LoggedRun, ServerEntry } from "../client/logs.ts";
import { printable } from "../client/provider_http.ts";

/** What the error of a server that did not start begins with. */
const DID_NOT_START = "the server did not start: ";

/**
 * Why a deployment's callers get no run.
 * @param above lines that are printed before: a failed start that stands there is not told again
 */
export function refusalLines(
  cannotRun: DeploymentLog["cannotRun"],
  above: readonly string[] = [],
): string[] {
  if (cannotRun === null) return [];
  const { message, hints } = cannotRun;
  const sentence = message.startsWith(DID_NOT_START) ? failedWords(printable(message)) : null;
  if (sentence !== null && above.some((line) => line.endsWith(sentence))) {
    return ["cannot run: the server does not start, as told above"];
  }
  return [`cannot run: ${message}`, ...hints.map((hint) => `  ${hint}`)].map(printable);
}

/** A run as JSON: as its provider keeps it, with its time and path as people are told them. */
export function runJson(run: LoggedRun) {
  return { ...run, at: timeOf(run), path: pathOf(run) };
}

/** One thing that is logged: a run, a line of a server, or what became of one of its instances. */
export interface LogItem {
  /** Unix ms. */
  at: number;
  json: object;
  lines: string[];
}

/** All of a log, oldest first. */
export function logItems({ runs, server }: Pick<DeploymentLog, "runs" | "server">): LogItem[] {
  const ofRuns = runs.map((run) => ({ at: run.at, json: runJson(run), lines: runLines(run) }));
  return [...ofRuns, ...server.flatMap(serverItems)].sort((one, other) => one.at - other.at);
}

/** Each line for itself; none of what a newer provider tells and we do not know. */
function serverItems({ at, instance, output, ...life }: ServerEntry): LogItem[] {
  const time = new Date(at).toISOString();
  const json = { at: time, instance };
  if (output !== null) {
    return output.split("\n").map((line) => ({
      at,
      json: { ...json, output: line },
      lines: [printable(`${time} [${instance}] ${line}`)],
    }));
  }
  const words = lifeWords(life);
  if (words === null) return [];
  const [first, ...others] = `${time} instance ${instance} ${words}`.split("\n");
  return [{
    at,
    json: { ...json, ...life },
    lines: [first!, ...others.map((line) => `  ${line}`)],
  }];
}

function lifeWords(
  { event, readyMs, why, reason }: Omit<ServerEntry, "at" | "instance" | "output">,
): string | null {
  const told = printable(reason ?? why ?? "");
  switch (event) {
    case "started":
      return readyMs === null ? "started" : `started in ${Math.round(readyMs)} ms`;
    case "failed":
      return failedWords(told);
    case "ended":
      return `ended: ${told}`;
    default:
      return null;
  }
}

function failedWords(told: string): string {
  return `did not start: ${
    told.startsWith(DID_NOT_START) ? told.slice(DID_NOT_START.length) : told
  }`;
}

/** One line on a run; below it what it called, why it ended as it did, and its stderr. */
export function runLines(run: LoggedRun): string[] {
  const ending = endingOf(run);
  const isToldAbove = run.reason === null || run.reason === `it ${ending}`;
  const reason = isToldAbove ? [] : [`  why: ${run.reason}`];
  return [
    `${headOf(run)}, ${ending}, ${usedBy(run).join(", ")}`,
    ...calledBy(run),
    ...reason,
    ...indented(run.stderr.trimEnd()),
  ].map(printable);
}

function headOf(run: LoggedRun): string {
  const words = [timeOf(run), run.method, pathOf(run), run.status];
  return words.filter((word) => word !== null).join(" ");
}

function timeOf({ at }: LoggedRun): string {
  return new Date(at).toISOString();
}

/** A deployment's own address may be asked for without a slash. */
function pathOf({ path }: LoggedRun): string | null {
  return path === "" ? "/" : path;
}

function endingOf(run: LoggedRun): string {
  if (run.limit !== null) return limitWords(run);
  return run.signal === null ? `exit ${run.exit}` : `ended by ${run.signal}`;
}

function limitWords({ limit }: LoggedRun): string {
  if (limit === "aborted") return "ended before its own end";
  if (limit === "escaped") return "went on working while it was to stand still";
  return `hit its ${limit} limit`;
}

const MIB = 1024 * 1024;

function usedBy(run: LoggedRun): string[] {
  return [
    `${Math.round(run.wallMs)} ms`,
    ...(run.cpuMs === null ? [] : [`cpu ${Math.round(run.cpuMs)} ms`]),
    ...(run.peakMemoryBytes === null ? [] : [`${Math.ceil(run.peakMemoryBytes / MIB)} MiB`]),
    `${run.stdinBytes} B in`,
    `${run.stdoutBytes} B out`,
    ...(run.credits === 1 ? [] : [`${run.credits} credits`]),
  ];
}

function calledBy({ egress }: LoggedRun): string[] {
  if (egress === null || egress.connections === 0) return [];
  const { connections, sentBytes, receivedBytes } = egress;
  const count = connections === 1 ? "1 connection" : `${connections} connections`;
  return [`  called: ${count}, ${sentBytes} B sent, ${receivedBytes} B received`];
}

function indented(text: string): string[] {
  return text === "" ? [] : text.split("\n").map((line) => `  ${line}`);
}

/**
 * Deployments as a table, a line for each at each provider, so that five are told apart at a
 * glance.
 */
import type { LastRun } from "../client/deployment_states.ts";
import { labelsOf } from "../client/deployments_file.ts";
import { printable } from "../client/provider_http.ts";
import { creditsCount } from "../credits_text.ts";
import { columnLines } from "./columns.ts";
import { creditLines, permitLines } from "./deployment_details.ts";
import { cannotRunOf, namedUrlsOf, type Row, stateOf, urlOf } from "./deployment_rows.ts";

/** So much of a cid is shown, or more where several begin with it. */
const CID_BEGINNING = 14;

/**
 * The newest first, and below it what they need.
 * @param nowMs Unix ms
 */
export function tableLines(rows: readonly Row[], nowMs: number): string[] {
  const cids = [...new Set(rows.map(({ deployment: { cid } }) => cid))];
  const length = tellingLength(cids);
  const newestFirst = rows.toReversed();
  const table = columnLines(newestFirst, [
    ["NAME", ({ deployment }) => labelsOf(deployment).join(", ")],
    ["FOLDER", ({ deployment: { program: { name } } }) => name ?? ""],
    ["CID", ({ deployment: { cid } }) => cid.slice(0, length)],
    ["PROVIDER", ({ provider: { name } }) => name],
    ["AGE", ({ deployment }) => ageText(nowMs - Date.parse(deployment.createdAt))],
    ["STATE", stateWord],
    ["SPENT", ({ settled }) => String(settled ?? "")],
    ["LEFT", ({ creditsLeft }) => creditsLeft === null ? "" : creditsCount(creditsLeft)],
    ["LAST RUN", (row) => lastRunText(row, nowMs)],
    ["URL", (row) => namedUrlsOf(row)[0] ?? urlOf(row)],
  ]);
  return [...table, ...needs(newestFirst, length)];
}

/** How much of each cid tells it from all others. */
function tellingLength(cids: readonly string[]): number {
  let length = CID_BEGINNING;
  while (new Set(cids.map((cid) => cid.slice(0, length))).size < cids.length) length += 1;
  return length;
}

function stateWord(row: Row): string {
  const state = stateOf(row);
  const word = state === "unpublished" ? "not published" : state;
  return row.isReplaced && state !== "stopped" ? `${word}, replaced` : word;
}

function lastRunText({ told }: Row, nowMs: number): string {
  const run = told?.lastRun;
  if (run === undefined) return "";
  return run === null ? "none yet" : `${run.status}, ${ageText(nowMs - run.at)} ago`;
}

const UNITS: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** In the largest unit of which there are two, as 47 h; of a clock that is ahead it is nothing. */
export function ageText(ms: number): string {
  const [unit, length] = UNITS.find(([, length]) => ms >= 2 * length) ?? UNITS.at(-1)!;
  return `${Math.max(0, Math.floor(ms / length))} ${unit}`;
}

/** What is to be done, once for all that it concerns; why the last run of one went wrong. */
function needs(rows: readonly Row[], length: number): string[] {
  const lines = rows.flatMap((row) => {
    const { deployment, provider, told } = row;
    const { cid, program } = deployment;
    const called = `${labelsOf(deployment)[0] ?? program.name ?? "(unnamed)"} ${
      cid.slice(0, length)
    }`;
    const why = cannotRunOf(row) ?? reasonOf(told?.lastRun);
    return [
      ...creditLines(row).map((line) => `${provider.name}: ${line}`),
      ...permitLines(row).map((line) => `${called}: ${line}`),
      ...(why === null || provider.stoppedAt !== undefined ? [] : [`${called}: ${why}`]),
    ];
  });
  return lines.length === 0 ? [] : ["", ...new Set(lines.map(printable))];
}

function reasonOf(run: LastRun | null | undefined): string | null {
  return run?.reason ?? null;
}

/** A deployment at one provider, with all that is known of it, as a person reads it. */
import { formatUsdc } from "../chain/usdc.ts";
import type { LastRun } from "../client/deployment_states.ts";
import { labelsOf, type OwnDeployment } from "../client/deployments_file.ts";
import { printable } from "../client/provider_http.ts";
import { creditsCount, creditsText } from "../credits_text.ts";
import {
  cannotRunOf,
  creditsOf,
  isAllowedLess,
  isLow,
  isPaidAsBefore,
  namedUrlsOf,
  type Row,
  serverOf,
  type State,
  stateOf,
  urlOf,
} from "./deployment_rows.ts";
import { isServer, serverLines } from "./server_lines.ts";
import { keptLines } from "./tariff_lines.ts";

export function detailsText(row: Row): string {
  const { deployment, provider, settled, creditsLeft, isReplaced } = row;
  const { cid, createdAt, program } = deployment;
  const { name = "(unnamed)", entrypoint } = program;
  const price = `${formatUsdc(provider.price)} USDC a credit at most`;
  const credits = creditsOf(deployment);
  const perRun = credits === 1 ? "" : `, up to ${credits} credits a run`;
  const spending = settled === null
    ? `paid on chain ${provider.chainId}`
    : `${creditsText(settled)} spent, ${creditsCount(creditsLeft!)} left with ${provider.name}`;
  const words = [labelsOf(deployment).join(", ") || undefined, name, entrypoint];
  const called = words.filter((word) => word !== undefined).join("  ");
  return [
    `${called}  since ${isoText(createdAt)}`,
    `  ${cid}`,
    ...namedUrlsOf(row).map((url) => `  ${url}`),
    `  ${urlOf(row)}`,
    `  ${provider.name}, ${price}${perRun}`,
    ...(deployment.signed ? [`  interface ${deployment.signed.interface}`] : []),
    ...environmentLines(deployment),
    ...egressLines(deployment),
    ...instanceLines(row),
    `  ${stateText(row)}: ${spending}`,
    ...(isReplaced ? ["  another was deployed in its place"] : []),
    ...needLines(row).map((line) => `  ${line}`),
    ...runLines(row).map((line) => `  ${line}`),
  ].map(printable).join("\n");
}

function environmentLines({ signed }: OwnDeployment): string[] {
  const names = signed?.env ?? [];
  return names.length === 0 ? [] : [`  environment ${names.join(", ")}`];
}

function egressLines({ signed }: OwnDeployment): string[] {
  const [first, ...others] = signed?.egress ?? [];
  if (first === undefined) return [];
  return [`  may call ${first}${others.length === 0 ? "" : ` and ${others.length} more`}`];
}

function instanceLines(row: Row): string[] {
  const { deployment, provider } = row;
  const isOne = isServer(deployment) && provider.stoppedAt === undefined;
  return isOne ? serverLines(serverOf(row)) : [];
}

/** To the second. */
function isoText(iso: string): string {
  return `${iso.slice(0, 19)}Z`;
}

const STATE_TEXTS: Readonly<Record<State, string>> = {
  stopped: "stopped",
  unpublished: "not published from here",
  "needs permit": "not paid",
  "needs credits": "not paid",
  "needs allowance": "not paid",
  "cannot run": "cannot run",
  "at an earlier price": "running at an earlier price",
  running: "running",
};

function stateText(row: Row): string {
  const { stoppedAt } = row.provider;
  return stoppedAt === undefined ? STATE_TEXTS[stateOf(row)] : `stopped ${isoText(stoppedAt)}`;
}

/** What it lacks to be paid for, and the commands that mend it. */
export function needLines(row: Row): string[] {
  return [...creditLines(row), ...permitLines(row)];
}

export function creditLines(row: Row): string[] {
  const { provider: { name, stoppedAt }, creditsLeft } = row;
  if (stoppedAt !== undefined || !isLow(row)) return [];
  const what = creditsLeft! <= 0n ? "no credits left" : "running low";
  return [`${what}: khachapuri allow ${name} --credits N`];
}

export function permitLines(row: Row): string[] {
  const { deployment: { cid }, provider, priceNow, needsPermit, told } = row;
  if (provider.stoppedAt !== undefined) return [];
  const renewal = `needs a new permit: khachapuri permit ${cid}`;
  if (isAllowedLess(row)) return [repriceLine(row)];
  if (needsPermit === "epoch") return [`permits taken back; ${renewal}`];
  if (priceNow === null) {
    return [`the price of ${provider.name} is unknown: its name can't be read`];
  }
  if (needsPermit === null) return [];
  if (isPaidAsBefore(row)) return keptLines(told!.tariff!, provider.name);
  const paid = formatUsdc(provider.price);
  return [`price rose to ${formatUsdc(priceNow)} USDC, the permit pays ${paid}; ${renewal}`];
}

/** A new permit alone would leave it unpaid: one command sees to the allowance and the permits. */
function repriceLine({ provider, allowedPrice, priceNow, needsPermit }: Row): string {
  const rose = priceNow === null ? "" : `price rose to ${formatUsdc(priceNow)} USDC, `;
  const allowed = `the allowance pays ${formatUsdc(allowedPrice!)}`;
  const permit = needsPermit === "price"
    ? `the permit pays ${formatUsdc(provider.price)} and `
    : needsPermit === "epoch"
    ? "permits are taken back and "
    : "";
  return `${rose}${permit}${allowed}: khachapuri allow ${provider.name} --reprice`;
}

function runLines(row: Row): string[] {
  const cannotRun = cannotRunOf(row);
  const lines = cannotRun === null ? [] : [`cannot run: ${cannotRun}`];
  const lastRun = row.told?.lastRun;
  if (lastRun === undefined) return lines;
  return [
    ...lines,
    lastRun === null ? "no runs yet" : `last run ${runText(lastRun)}`,
  ];
}

function runText({ at, status, exit, signal, limit, reason }: LastRun): string {
  const how = signal === null ? `exit ${exit}` : signal;
  const why = reason ?? (limit === null ? null : `its limit: ${limit}`);
  const time = isoText(new Date(at).toISOString());
  return `${time}: ${status}, ${how}${why === null ? "" : `: ${why}`}`;
}

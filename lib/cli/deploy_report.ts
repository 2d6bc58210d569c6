/** What `deploy` says of what it has signed, and of where it can be called. */
import type { SealedDeployment } from "../client/deploy.ts";
import type { PackedProgram } from "../client/packed_program.ts";
import { methodOf } from "../spec/about.ts";
import { ANY_ORIGIN } from "../spec/cors.ts";
import { creditsMax } from "../spec/credits.ts";
import { serverOf } from "../spec/server.ts";
import type { Copy } from "../client/publishing/publish_all.ts";
import { copiesJson } from "./copies.ts";
import { type Rehearsal, rehearsalJson } from "./deploy_dry_run.ts";
import type { CommandContext } from "./command.ts";
import { isPublished } from "./deploy_publish.ts";
import { type NamePointed, pointedJson, pointedLines } from "./name_pointed.ts";
import { costLines, type Placed, unpaidLines } from "./deploy_costs.ts";

/** What the owner has signed, and callers may cost it. */
export function signedLines({ spec }: SealedDeployment): string[] {
  const { timeoutMs, memoryMb, concurrency, ownerCreditsPerMinute } = spec.limits;
  const hosts = spec.egress?.join(", ") ?? "";
  return [
    `limits      ${timeoutMs / 1000} s a credit, ${memoryMb} MiB, ${concurrency} runs at a time`,
    ...serverLines(spec),
    `credits     ${creditsMax(spec)} a run, ${payersWords(spec.access, ownerCreditsPerMinute)}`,
    `calls       ${hosts || "nobody: it has no network"}`,
    ...publicLines(spec),
  ];
}

/** What its owner makes known of it, and to whom. */
function publicLines({ about, cors }: SealedDeployment["spec"]): string[] {
  const origins = cors && (cors.origins === ANY_ORIGIN ? "all origins" : cors.origins.join(", "));
  return [
    ...(about ? [`public      ${methodOf(about)}: ${about.description}`] : []),
    ...(origins === undefined ? [] : [`read by     web pages of ${origins}`]),
  ];
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function payersWords(access: SealedDeployment["spec"]["access"], perMinute: number): string {
  return access === "payer" ? "at its callers' expense" : `${perMinute} a minute at your expense`;
}

function serverLines(spec: SealedDeployment["spec"]): string[] {
  if (spec.interface !== "http") return [];
  const { listen, instances, concurrency } = serverOf(spec);
  const place = listen.kind === "fd" ? "on the socket that it is passed" : `on ${listen.port}`;
  return [
    `server      ${place}, ${countOf(instances, "instance")} at most, ` +
    `${countOf(concurrency, "request")} to each`,
  ];
}

/** The command's result. */
export function report(
  { out }: CommandContext,
  program: PackedProgram,
  { spec, cid }: SealedDeployment,
  placed: readonly (Placed & { rehearsal: Rehearsal | undefined })[],
  copies: readonly Copy[],
  named: NamePointed | null,
): void {
  const providers = placed.map(({ record, maxPrice, limits, unpaid, rehearsal }) => ({
    name: record.name,
    address: record.address,
    url: `${record.webDomain}/${cid}`,
    price: record.price,
    maxPrice,
    creditsMax: limits.credits,
    cannotBePaid: unpaid?.fault ?? null,
    dryRun: rehearsalJson(rehearsal),
  }));
  const { key, size } = program;
  out.json({
    cid,
    id: spec.id,
    owner: spec.owner,
    program: { cid: program.cid, private: key !== undefined, bytes: size },
    providers,
    copies: copiesJson(copies),
    ...(named ? { name: pointedJson(named) } : {}),
  });
  out.line(cid);
  const how = spec.access === "payer" ? "khachapuri call --pay" : "curl";
  const isThere = isPublished(copies);
  for (const { url } of providers) {
    if (isThere) out.line(`${how} ${url}`);
    else out.note(`once it is published: ${how} ${url}`);
  }
  if (named) {
    for (const url of named.moved.length > 0 ? named.urls : []) out.line(`${how} ${url}`);
    for (const line of pointedLines(named, cid)) out.note(line);
  }
  for (const each of placed) {
    for (const line of [...costLines(each), ...unpaidLines(each)]) out.note(line);
  }
}

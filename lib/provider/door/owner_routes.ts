/** Paths that take a signature: an owner's about its deployments, the operator's about settling. */
import { type Address, isAddressEqual } from "viem";
import type { CidText } from "../../cid.ts";
import { formatCid, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { LOG_FOLLOW_MS_MAX } from "../../limits.ts";
import {
  isOwnerRequestValid,
  type OwnerQuestion,
  type OwnerRequest,
  parseOwnerRequest,
} from "../../spec/owner_request.ts";
import { parseRenewalRequest } from "../../spec/renewal.ts";
import { isStopSigned, parseStopRequest } from "../../spec/stop.ts";
import { timeText } from "../../time_text.ts";
import type { LogFollower } from "../deployment/log_followers.ts";
import type { LoggedRun } from "../deployment/run_log.ts";
import type { DeploymentTariff } from "../deployment/tariff_book.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import type { ServerView } from "../server/life.ts";
import { jsonAnswer, readJson } from "./json.ts";
import type { RouteParts } from "./parts.ts";

/** Settles what is due now; for the operator of this machine. */
export async function settle(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { owner } = await ownerRequest(parts, request, "settle");
  if (owner !== parts.operator && owner !== parts.seller.provider) throw notOwner();
  await parts.money.settlement.settleNow();
  return jsonAnswer({ unsettled: String(parts.money.ledger.totals().unsettled) });
}

/**
 * Ends a deployment for ever. What runs may end by itself, and is charged like any other; its
 * servers end then.
 */
export async function stop(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { cid: text, signature } = parseStopRequest(await readJson(request));
  const { seller, records, programs } = parts;
  const { spec } = await programs.deployments.find(
    formatCid(parseCid(text)),
    request.sender.address,
  );
  const { chainId, escrow, provider } = seller;
  const question = { id: spec.id, provider, chainId, escrow };
  // Be it made before: to wait until all nodes know is the owner's alone.
  if (!await isStopSigned(question, signature, spec.owner)) throw notOwner();
  if (records.stops.has(spec)) {
    await records.stops.heard();
    return jsonAnswer({ stopped: text });
  }
  await records.stops.add(spec);
  programs.sandboxes.stop(spec);
  records.log.info("deployment stopped by its owner", { cid: text });
  return jsonAnswer({ stopped: text });
}

/** Takes the owner's new permit for a deployment, which is paid by it from the next call on. */
export async function renew(
  parts: RouteParts,
  request: HttpRequest,
): Promise<Answer> {
  const { cid, permit } = parseRenewalRequest(await readJson(request));
  const { money, programs, records } = parts;
  const { address: from } = request.sender;
  const deployment = await programs.deployments.get(cid, from);
  const isRenewed = await money.renewals.take(deployment, permit, from);
  if (isRenewed) records.log.info("permit renewed by the owner", { cid });
  return jsonAnswer({ cid, renewed: isRenewed });
}

/**
 * The latest runs of a deployment, what its server wrote, and why it cannot run: with
 * `?after=CURSOR` what came after that, and with `&wait=SECONDS` the next when there is none yet.
 */
export async function logs(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { after, waitMs } = pageAsked(request.query);
  const { subject, owner } = await ownerRequest(parts, request, "logs");
  const cid = formatCid(parseCid(subject));
  const isRegistered = await assertOwned(parts, cid, owner, request.sender.address);
  const { runLog } = parts.records;
  let page = await runLog.read(cid, after);
  // Places to wait at are few, and keys cost nothing: they are for deployments that were paid for.
  const isEmpty = page.runs.length + page.server.length === 0;
  if (isEmpty && waitMs > 0 && isRegistered) {
    await nextEntry(runLog.followers.follow(cid, waitMs), request);
    page = await runLog.read(cid, after);
  }
  return jsonAnswer({ cid, ...page, cannotRun: cannotRun(parts, cid, owner) });
}

/** Why a deployment's callers get no run; null: nothing is known that keeps them from it. */
function cannotRun(
  { programs: { deployments, sandboxes }, gate: { welcome } }: RouteParts,
  cid: CidText,
  owner: Address,
) {
  const refusal = welcome.refusal("deployment", cid) ?? welcome.refusal("owner", owner) ??
    deployments.refusal(cid) ?? sandboxes.refusal(cid);
  return refusal && { message: refusal.shortMessage, hints: refusal.hints };
}

/** @throws KhachapuriError `invalid_input` */
function pageAsked(query: string | null): { after: number; waitMs: number } {
  const asked = new URLSearchParams(query ?? "");
  const numberOf = (name: string) => {
    const text = asked.get(name) ?? "0";
    if (/^[0-9]{1,15}$/.test(text)) return Number(text);
    throw new KhachapuriError("invalid_input", `${name} is not a whole number`);
  };
  return {
    after: numberOf("after"),
    waitMs: Math.min(numberOf("wait") * 1_000, LOG_FOLLOW_MS_MAX),
  };
}

/** Waits as long as the follower does, and whoever asked is there. */
async function nextEntry(follower: LogFollower | null, request: HttpRequest): Promise<void> {
  if (!follower) return;
  request.whenGone(() => follower.leave());
  await follower.ended;
  request.whenGone(null);
}

/**
 * Of a deployment that nobody has paid for nothing is kept: its spec says whose it is. Looking it
 * up is what any caller may have us do, within the same bounds.
 * @returns whether it was paid for here
 */
async function assertOwned(
  { records, programs }: RouteParts,
  cid: CidText,
  owner: Address,
  from: string,
): Promise<boolean> {
  if (records.registrations.ofOwner(owner).some((row) => row.cid === cid)) return true;
  const { spec } = await programs.deployments.look(cid, from);
  if (isAddressEqual(spec.owner, owner)) return false;
  throw notOwners();
}

/** The deployment is another owner's. */
export function notOwners(): KhachapuriError {
  return new KhachapuriError("not_found", "this owner has no such deployment here", {
    hints: ["ask with the key that deployed it"],
  });
}

/** An owner's deployments, what each pays here, how their runs and servers do, and its names. */
export async function deployments(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { owner } = await ownerRequest(parts, request, "deployments");
  const { records: { registrations, agreements, tariffs, runLog }, programs } = parts;
  const servers = programs.sandboxes.servers();
  const registered = registrations.ofOwner(owner);
  const last = await runLog.lastOf(registered.map(({ cid }) => cid));
  const rows = registered.map((row) => {
    const views = servers.filter(({ deployment: { cid } }) => cid === row.cid)
      .map(({ view }) => view);
    return {
      ...row,
      tariff: tariffJson(tariffs.tariffOf(row.cid, agreements.termsOf(row.cid))),
      lastRun: outcomeJson(last.get(row.cid) ?? null),
      cannotRun: cannotRun(parts, row.cid, owner),
      server: serverJson(views),
    };
  });
  const names = parts.names?.ofOwner(owner).map(({ label: name, ...facts }) => ({
    name,
    ...facts,
  }));
  return jsonAnswer({ owner, deployments: rows, ...(names ? { names } : {}) });
}

/** How a run ended, without what it wrote: /logs has that. */
function outcomeJson(run: LoggedRun | null) {
  if (run === null) return null;
  const { at, status, exit, signal, limit, reason } = run;
  return { at, status, exit, signal, limit, reason };
}

/** Amounts in USDC base units, times in ISO 8601. */
function tariffJson({ price, next, areTermsTaken, termsUntil }: DeploymentTariff) {
  return {
    price: String(price),
    /** What it rises to, and when; null where nothing that is known raises it. */
    next: next && { price: String(next.price), at: timeText(next.at) },
    areTermsTaken,
    /** Until when, where they are listed no more. */
    termsUntil: termsUntil && timeText(termsUntil),
  };
}

/**
 * @param views of one deployment: more than one where an older server of it is leaving
 * @returns null when no server of it is in use
 */
function serverJson(views: readonly ServerView[]): ServerView | null {
  if (views.length === 0) return null;
  return {
    instances: views.flatMap(({ instances }) => instances),
    restarts: views.reduce((sum, { restarts }) => sum + restarts, 0),
  };
}

/** @throws KhachapuriError `invalid_signature` when it is not the owner's who is named in it */
export async function ownerRequest(
  { records, seller: { provider, chainId, escrow } }: RouteParts,
  request: HttpRequest,
  action: OwnerQuestion["action"],
): Promise<OwnerRequest> {
  const asked = parseOwnerRequest(await readJson(request));
  const nowSeconds = BigInt(Math.floor(records.now() / 1000));
  const question = { action, provider, chainId, escrow };
  if (!await isOwnerRequestValid(asked, question, nowSeconds)) throw notOwner();
  return asked;
}

function notOwner(): KhachapuriError {
  return new KhachapuriError("invalid_signature", "this is not the owner's signature", {
    hints: [
      "sign with the key that deployed it; check that the clocks agree",
      "an older khachapuri signs for no chain and no escrow, which is refused: update it",
    ],
  });
}

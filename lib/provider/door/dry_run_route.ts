/**
 * `POST /dry-run`: an owner asks whether its deployment can be called. All that a call does before
 * it costs anything is done, in the same order and by the same parts, so what would be refused is
 * refused in the same words; no program runs. The first call finds it all ready.
 */
import { isAddressEqual } from "viem";
import { formatCid, parseCid } from "../../cid.ts";
import { LOW_CREDITS } from "../../limits.ts";
import { withCreditsMax } from "../call/run_credits.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { runCreditsMax } from "../program/run_limits.ts";
import { jsonAnswer } from "./json.ts";
import { notOwners, ownerRequest } from "./owner_routes.ts";
import type { RouteParts } from "./parts.ts";

export async function dryRun(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const begunAt = performance.now();
  const { address: from } = request.sender;
  const { programs, content } = parts;
  content.dryRuns.admitNetwork(from);
  const { subject, owner } = await ownerRequest(parts, request, "dry-run");
  content.dryRuns.admitOwner(owner);
  const deployment = await programs.deployments.get(formatCid(parseCid(subject)), from);
  if (!isAddressEqual(deployment.spec.owner, owner)) throw notOwners();
  content.noteUse(deployment);
  const payment = await judgePayment(parts, deployment, from);
  const warnings = [...payment.warnings, ...await openProgram(parts, deployment, from)];
  const { cid } = deployment;
  const { price, creditsLeft } = payment;
  const ms = Math.round(performance.now() - begunAt);
  return jsonAnswer({ cid, price, creditsLeft, payable: null, warnings, ms });
}

interface Payment {
  /** Of one credit, USDC base units; null where callers pay. */
  price: string | null;
  creditsLeft: string | null;
  warnings: string[];
}

/** @throws KhachapuriError what a caller is refused with whose call the owner pays */
async function judgePayment(
  { money: { ownerPayment }, programs }: RouteParts,
  deployment: Deployment,
  from: string,
): Promise<Payment> {
  if (deployment.spec.access === "payer") return { price: null, creditsLeft: null, warnings: [] };
  try {
    const { price, creditsLeft } = await ownerPayment.judge(deployment, from);
    const low = `${creditsLeft} credits are left: allow more in time`;
    return {
      price: String(price),
      creditsLeft: String(creditsLeft),
      warnings: creditsLeft < LOW_CREDITS ? [low] : [],
    };
  } catch (error) {
    throw withCreditsMax(error, runCreditsMax(deployment.spec, programs.creditsMax));
  }
}

/**
 * Fetches and opens the program, for whom that is worth it: where callers pay nobody has looked at
 * the owner's money yet.
 * @returns what was not tried
 */
async function openProgram(
  { programs: { sandboxes }, content, records }: RouteParts,
  deployment: Deployment,
  from: string,
): Promise<string[]> {
  const { spec: { owner, access, interface: kind } } = deployment;
  const isKnown = access !== "payer" || records.registrations.ofOwner(owner).length > 0 ||
    await content.allowed(owner, from) > 0n;
  if (!isKnown) return [NOT_OPENED];
  const lease = await sandboxes.acquire(deployment);
  lease.release();
  return kind === "http" ? [NOT_STARTED] : [];
}

const NOT_OPENED =
  "the program was not opened: that is for owners who have credits allowed here, " +
  "or whose deployments were called";
const NOT_STARTED = "the server was not started: that takes a call";

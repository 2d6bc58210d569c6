/** Paths that take a signature: an owner's about its deployments, the operator's about settling. */
import type { CidText } from "../../cid.ts";
import { formatCid, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  isOwnerRequestValid,
  type OwnerQuestion,
  type OwnerRequest,
  parseOwnerRequest,
} from "../../spec/owner_request.ts";
import { parseRenewalRequest } from "../../spec/renewal.ts";
import { isStopSigned, parseStopRequest } from "../../spec/stop.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { Answer, HttpRequest } from "../http/request.ts";
import { jsonAnswer, readJson } from "./json.ts";
import type { RouteParts } from "./parts.ts";

/** Settles what is due now; for the operator of this machine. */
export async function settle(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { owner } = await ownerRequest(parts, request, "settle");
  if (owner !== parts.operator && owner !== parts.seller.provider) throw notOwner();
  await parts.money.settlement.settleNow();
  return jsonAnswer({ unsettled: String(parts.money.ledger.totals().unsettled) });
}

/** Ends a deployment for ever. What runs may end by itself, and is charged like any other. */
export async function stop(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { cid: text, signature } = parseStopRequest(await readJson(request));
  const { seller, records } = parts;
  const deployment = await unstopped(parts, formatCid(parseCid(text)));
  if (!deployment) return jsonAnswer({ stopped: text });
  const { spec } = deployment;
  const { chainId, escrow, provider } = seller;
  const question = { id: spec.id, provider, chainId, escrow };
  if (!await isStopSigned(question, signature, spec.owner)) throw notOwner();
  records.stops.add(spec);
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
  const isRenewed = await money.renewals.take(
    await programs.deployments.get(cid),
    permit,
    request.sender.address,
  );
  if (isRenewed) records.log.info("permit renewed by the owner", { cid });
  return jsonAnswer({ cid, renewed: isRenewed });
}

/** null when it is stopped already: stopping twice is as good as once. */
async function unstopped({ programs }: RouteParts, cid: CidText): Promise<Deployment | null> {
  try {
    return await programs.deployments.get(cid);
  } catch (error) {
    if (error instanceof KhachapuriError && error.code === "stopped") return null;
    throw error;
  }
}

/** The latest runs of a deployment. */
export async function logs(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { subject, owner } = await ownerRequest(parts, request, "logs");
  const { registrations, runLog } = parts.records;
  const cid = formatCid(parseCid(subject));
  const owned = registrations.ofOwner(owner).some((row) => row.cid === cid);
  if (!owned) {
    throw new KhachapuriError("not_found", "this owner has no such deployment here", {
      hints: ["a provider knows a deployment from its first call on"],
    });
  }
  return jsonAnswer({ cid, runs: runLog.read(cid) });
}

export async function deployments(parts: RouteParts, request: HttpRequest): Promise<Answer> {
  const { owner } = await ownerRequest(parts, request, "deployments");
  return jsonAnswer({ owner, deployments: parts.records.registrations.ofOwner(owner) });
}

async function ownerRequest(
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

/**
 * Renewing the owner's permit of a deployment: the body of `POST /permit`. Nothing is signed but
 * the permit itself, which names payer, provider and lane, and by its domain chain and escrow. It
 * is as good as money, and travels confidentially or not at all.
 */
import * as v from "valibot";
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { type Permit, permitShape, permitToJson } from "../permit.ts";
import { parseShape } from "../shape.ts";

const renewalShape = v.strictObject({ cid: v.string(), permit: permitShape });

export interface RenewalRequest {
  /** The deployment's. */
  cid: CidText;
  permit: Permit;
}

/** @throws KhachapuriError `invalid_input`, `invalid_cid` */
export function parseRenewalRequest(json: unknown): RenewalRequest {
  const { cid, permit } = parseShape(renewalShape, json, "renewal request", "invalid_input");
  return { cid: formatCid(parseCid(cid)), permit };
}

/** The JSON body to post. */
export function renewalRequestToJson(
  cid: string,
  permit: Permit,
): v.InferInput<typeof renewalShape> {
  return { cid, permit: permitToJson(permit) };
}

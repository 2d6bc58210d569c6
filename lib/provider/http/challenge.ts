/** A `PAYMENT-REQUIRED` that every proxy and client on its way takes. */
import { PAYMENT_REQUIRED_BYTES_MAX } from "../../limits_of_offers.ts";
import { type Accept, type PaymentRequired, toHeader } from "../../payment_required.ts";

type Cut = (required: PaymentRequired) => PaymentRequired;

/**
 * What is left out where all is too long, one after the other: first what describes, then of the
 * URL what was asked of the deployment, as no client of now goes by it, and last what lets a payer
 * that has lost count go on without trusting us. What pays is never touched.
 */
const CUTS: readonly Cut[] = [
  ({ extensions: _, ...required }) => required,
  without("tags"),
  without("description"),
  without("serviceName"),
  withUrl(/^[^?]*/),
  withUrl(/^https?:\/\/[^/?]*\/[^/?]*/),
  withUrl(/^https?:\/\/[^/?]*\//),
  ({ error: _, ...required }) => required,
  (required) => ({ ...required, accepts: required.accepts.map(withoutProof) }),
];

/**
 * The header's value.
 * @param bytesMax of it
 */
export function challengeOf(
  required: PaymentRequired,
  bytesMax: number = PAYMENT_REQUIRED_BYTES_MAX,
): string {
  let header = toHeader(required);
  for (const cut of CUTS) {
    if (header.length <= bytesMax) break;
    required = cut(required);
    header = toHeader(required);
  }
  return header;
}

function without(member: "tags" | "description" | "serviceName"): Cut {
  return ({ resource: { [member]: _, ...resource }, ...required }) => ({ ...required, resource });
}

/** @param kept what of the URL stays */
function withUrl(kept: RegExp): Cut {
  return ({ resource, ...required }) => {
    const [url = resource.url] = kept.exec(resource.url) ?? [];
    return { ...required, resource: { ...resource, url } };
  };
}

function withoutProof(accept: Accept & { extra?: object }): Accept {
  const { extra } = accept;
  if (extra === undefined || !("proof" in extra)) return accept;
  const { proof: _, ...rest } = extra;
  return { ...accept, extra: rest } as Accept;
}

/** When a CA would have a certificate renewed (RFC 9773): at once when it was revoked. */
import * as v from "valibot";
import { parseShape } from "../../shape.ts";
import type { CaRequest } from "./ca_requests.ts";
import type { RenewalWindow } from "./renewal.ts";
import { retryAfter } from "./problem.ts";
import type { CertificateFacts } from "./x509.ts";

const directoryShape = v.object({ renewalInfo: v.optional(v.string()) });

const instantShape = v.pipe(
  v.string(),
  v.transform((text) => Date.parse(text)),
  v.number("not a time"),
  v.finite("not a time"),
);

const infoShape = v.object({
  suggestedWindow: v.object({ start: instantShape, end: instantShape }),
  explanationURL: v.optional(v.string()),
});

export interface RenewalInfo {
  readonly window: RenewalWindow | null;
  /** After so many seconds it is asked again. */
  readonly againSeconds: number;
}

/** Unless the CA names another (section 4.3.3 has bounds for what it names). */
const AGAIN_SECONDS = 6 * 3_600;
const AGAIN_SECONDS_LEAST = 3_600;
const AGAIN_SECONDS_LONGEST = 86_400;

/**
 * What the CA says of a certificate; without a window where it says nothing of use.
 * @throws KhachapuriError `no_certificate`
 */
export async function renewalInfoOf(
  { renewalId, notAfter }: CertificateFacts,
  { directoryUrl, request, now }: { directoryUrl: string; request: CaRequest; now(): number },
): Promise<RenewalInfo> {
  const nothing = { window: null, againSeconds: AGAIN_SECONDS_LONGEST };
  if (renewalId === null) return nothing;
  const { data } = await request(directoryUrl, "get");
  const { renewalInfo } = parsed(directoryShape, data, "directory");
  if (renewalInfo === undefined) return nothing;
  const answer = await request(`${renewalInfo.replace(/\/$/, "")}/${renewalId}`, "get");
  const { suggestedWindow: window } = parsed(infoShape, answer.data, "renewal information");
  const asked = retryAfter(answer.headers["retry-after"], now()) ?? AGAIN_SECONDS;
  return {
    // One that ends after the certificate would have it expire.
    window: window.start < window.end && window.start < notAfter ? window : null,
    againSeconds: Math.min(Math.max(asked, AGAIN_SECONDS_LEAST), AGAIN_SECONDS_LONGEST),
  };
}

function parsed<S extends v.GenericSchema>(shape: S, value: unknown, what: string) {
  return parseShape(shape, value, `the CA's ${what}`, "no_certificate");
}

/** What a 402 says, and the headers in which money is spoken of: x402's, of no scheme's own. */
import { Buffer } from "node:buffer";

export const PAYMENT_SIGNATURE_HEADER = "PAYMENT-SIGNATURE";
export const PAYMENT_REQUIRED_HEADER = "PAYMENT-REQUIRED";
export const PAYMENT_RESPONSE_HEADER = "PAYMENT-RESPONSE";

/** One entry of `accepts`, in whatever scheme, as it stands in the header. */
export interface Accept {
  readonly scheme: string;
}

/**
 * The JSON of a 402, for `PAYMENT-REQUIRED` by `toHeader`.
 * @param accepts what would be taken, each as its scheme writes it (`offerToJson`)
 */
export function paymentRequired<Entry extends Accept>(
  accepts: readonly Entry[],
  about: { url: string; error?: string; description?: string },
) {
  return {
    x402Version: 2,
    ...(about.error === undefined ? {} : { error: about.error }),
    resource: {
      url: about.url,
      ...(about.description === undefined ? {} : { description: about.description }),
    },
    accepts,
  };
}

// deno-lint-ignore no-control-regex -- ASCII is meant, control characters and all
const BEYOND_ASCII = /[^\x00-\x7f]/;

/** Standard base64 of the UTF-8 JSON, as every x402 header carries it. */
export function toHeader(value: object): string {
  const text = JSON.stringify(value);
  // What each paid answer carries is ASCII, for which there is a way without a buffer.
  return BEYOND_ASCII.test(text) ? Buffer.from(text).toString("base64") : btoa(text);
}

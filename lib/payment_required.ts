/** What a 402 says, and the headers in which money is spoken of: x402's, of no scheme's own. */

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

const UTF8 = new TextEncoder();

/** Standard base64 of the UTF-8 JSON, as every x402 header carries it. */
export function toHeader(value: object): string {
  return UTF8.encode(JSON.stringify(value)).toBase64();
}

/** What a 402 says, and the headers in which money is spoken of: x402's, of no scheme's own. */

export const PAYMENT_SIGNATURE_HEADER = "PAYMENT-SIGNATURE";
export const PAYMENT_REQUIRED_HEADER = "PAYMENT-REQUIRED";
export const PAYMENT_RESPONSE_HEADER = "PAYMENT-RESPONSE";

/** One entry of `accepts`, in whatever scheme, as it stands in the header. */
export interface Accept {
  readonly scheme: string;
}

/** What is paid for, as x402 describes it. */
export interface Resource {
  /** Absolute: some clients read no other. */
  readonly url: string;
  /** At most RESOURCE_DESCRIPTION_CHARACTERS_MAX characters: a facilitator settles no more. */
  readonly description?: string;
  /** Of the answer. */
  readonly mimeType?: string;
  /** Who answers: at most 32 printable characters of ASCII. */
  readonly serviceName?: string;
  /** At most five, of at most 32 characters. */
  readonly tags?: readonly string[];
}

/** A `PAYMENT-REQUIRED`, decoded. */
export interface PaymentRequired<Entry extends Accept = Accept> {
  readonly x402Version: 2;
  readonly error?: string;
  readonly resource: Resource;
  readonly accepts: readonly Entry[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/**
 * The JSON of a 402, for `PAYMENT-REQUIRED` by `toHeader`.
 * @param accepts what would be taken, each as its scheme writes it (`offerToJson`)
 * @param error why what was sent does not pay: x402's word for it, or a sentence
 */
export function paymentRequired<Entry extends Accept>(
  accepts: readonly Entry[],
  resource: Resource,
  error?: string,
): PaymentRequired<Entry> {
  return { x402Version: 2, ...(error === undefined ? {} : { error }), resource, accepts };
}

// deno-lint-ignore no-control-regex -- ASCII is meant, control characters and all
const BEYOND_ASCII = /[^\x00-\x7f]/;
const UTF8 = new TextEncoder();

/** Standard base64 of the UTF-8 JSON, as every x402 header carries it. */
export function toHeader(value: object): string {
  const text = JSON.stringify(value);
  // What each paid answer carries is ASCII, for which there is a way without a buffer.
  return BEYOND_ASCII.test(text) ? UTF8.encode(text).toBase64() : btoa(text);
}

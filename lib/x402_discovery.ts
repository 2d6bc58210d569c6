/** What a 402 says of the resource that it asks to be paid for, beside what it costs. */
import { EXTENDED_402_BYTES_MAX } from "./limits_of_discovery.ts";

/** A resource as its owner describes it in public: x402 version 2, `resource` and `extensions`. */
export interface DescribedResource {
  readonly description: string;
  /** Of the answer. */
  readonly mimeType?: string;
  readonly tags?: readonly string[];
  /** By their keys; clients send them back, and facilitators list what they say. */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

interface Describable {
  readonly resource: { readonly url: string };
  readonly extensions?: Readonly<Record<string, unknown>>;
}

/**
 * A 402 with what its resource is. Extensions that would make it too large, or the header of a
 * client that sends them back, are left out: who pays has no need of them.
 * @param required x402's `PaymentRequired`
 */
export function describing<Required extends Describable>(
  required: Required,
  described: DescribedResource | undefined,
  bytesMax = EXTENDED_402_BYTES_MAX,
): Required {
  if (described === undefined) return required;
  const { extensions, ...words } = described;
  const plain = { ...required, resource: { ...required.resource, ...words } };
  if (extensions === undefined) return plain;
  const extended = { ...plain, extensions: { ...required.extensions, ...extensions } };
  return headerBytes(extended) <= bytesMax ? extended : plain;
}

/** Of a value as x402's headers carry it, standard base64 of UTF-8 JSON. */
function headerBytes(value: object): number {
  return 4 * Math.ceil(new TextEncoder().encode(JSON.stringify(value)).length / 3);
}

/**
 * x402's scheme `exact` on EVM chains (specs/schemes/exact/scheme_exact_evm.md), by EIP-3009: a
 * payer's USDC goes straight to the provider, once, for one call. Version 2 stands in
 * PAYMENT-SIGNATURE and PAYMENT-RESPONSE, version 1, which many clients still speak, in X-PAYMENT
 * and X-PAYMENT-RESPONSE.
 */
import * as v from "valibot";
import { type Address, encodeAbiParameters, type Hex, keccak256 } from "viem";
import { formatCaip2, parseCaip2 } from "./caip.ts";
import type { AuthorizationId, TransferAuthorization } from "./transfer_authorization.ts";
import { KhachapuriError } from "./errors.ts";
import { IDEMPOTENCY_KEY_CHARACTERS_MAX } from "./limits.ts";
import { EXACT_SIGNATURE_BYTES_MAX } from "./limits_of_exact.ts";
import { headerJson, type PAYMENT_SIGNATURE_HEADER } from "./payment_header.ts";
import {
  chainOfV1Network,
  type ExactAccept,
  type PAYMENT_HEADER_V1,
  v1Network,
} from "./x402_v1.ts";
import { addressShape, hexShape, parseShape, uintShape } from "./shape.ts";

export const EXACT_SCHEME = "exact";

/** What a provider takes in this scheme. */
export interface ExactOffer {
  chainId: number;
  /** The USDC contract. */
  asset: Address;
  /** Who gets the money: the provider's own address. */
  payTo: Address;
  /** For one call, USDC base units. */
  amount: bigint;
  /** Clients make an authorisation good for so long. */
  maxTimeoutSeconds: number;
  /** Of the token's EIP-712 domain. */
  name: string;
  version: string;
}

/** A decoded payment. */
export interface ExactPayment {
  /** Of the protocol that its client speaks. */
  readonly x402Version: 1 | 2;
  /** Of the network that it names; null: none that we know. */
  readonly chainId: number | null;
  readonly authorization: TransferAuthorization;
  /** r, s, v, or what a wallet's own contract takes for a signature. */
  readonly signature: Hex;
  /** What the client says it answers; null in version 1, whose clients do not. */
  readonly accepted: AcceptedExact | null;
  /** By what its client knows the purchase, whatever it signs for it; null: by the nonce. */
  readonly identifier: string | null;
}

export type AcceptedExact = Pick<ExactOffer, "asset" | "payTo" | "amount">;

/** One offer as x402 version 2 writes it into `accepts`. */
export function exactOfferToJson(offer: ExactOffer): ExactAccept {
  const { chainId, amount, asset, payTo, maxTimeoutSeconds, name, version } = offer;
  return {
    scheme: EXACT_SCHEME,
    network: formatCaip2(chainId),
    amount: String(amount),
    asset,
    payTo,
    maxTimeoutSeconds,
    extra: { name, version },
  };
}

const signatureShape = v.pipe(
  v.string(),
  v.regex(/^0x(?:[0-9a-fA-F]{2})+$/, "not 0x-hex"),
  v.check(
    (text) => text.length <= 2 + 2 * EXACT_SIGNATURE_BYTES_MAX,
    `longer than ${EXACT_SIGNATURE_BYTES_MAX} bytes`,
  ),
  v.transform((text): Hex => withParity(text.toLowerCase() as Hex)),
);

/** Some wallets end a signature with the parity of its point, 0 or 1; the token takes 27 or 28. */
function withParity(signature: Hex): Hex {
  if (signature.length !== 132 || !/0[01]$/.test(signature)) return signature;
  return `${signature.slice(0, -2)}${signature.endsWith("0") ? "1b" : "1c"}` as Hex;
}

const payloadShape = v.object({
  signature: signatureShape,
  authorization: v.object({
    from: addressShape,
    to: addressShape,
    value: uintShape(256),
    validAfter: uintShape(256),
    validBefore: uintShape(256),
    nonce: hexShape(32),
  }),
});

const acceptedShape = v.object({
  asset: addressShape,
  payTo: addressShape,
  amount: uintShape(256),
});

/** The extension "payment-identifier": what a client may send again under another signature. */
const identifierShape = v.object({
  info: v.object({
    id: v.pipe(
      v.string(),
      v.regex(/^[\x21-\x7e]+$/),
      v.maxLength(IDEMPOTENCY_KEY_CHARACTERS_MAX),
    ),
  }),
});

const outerShape = v.object({
  x402Version: v.picklist([1, 2], "neither 1 nor 2"),
  scheme: v.optional(v.string()),
  network: v.optional(v.string()),
  accepted: v.optional(v.looseObject({ scheme: v.string(), network: v.optional(v.string()) })),
  payload: v.unknown(),
  extensions: v.nullish(v.looseObject({ "payment-identifier": v.optional(v.unknown()) })),
});

/**
 * Reads a payment header. The form only: what it is worth is for others to find out.
 * @param what the header's name
 * @returns null when it pays in another scheme
 * @throws KhachapuriError `invalid_input` when it is no x402 header at all, `payment_required` for
 *   a payment in this scheme that is not well made
 */
export function decodeExactHeader(
  text: string,
  what: typeof PAYMENT_SIGNATURE_HEADER | typeof PAYMENT_HEADER_V1,
): ExactPayment | null {
  const outer = parseShape(outerShape, headerJson(text, what), what, "invalid_input");
  const { x402Version, accepted, extensions } = outer;
  const { scheme, network = "" } = (x402Version === 1 ? outer : accepted) ?? {};
  if (scheme !== EXACT_SCHEME) return null;
  try {
    const { authorization, signature } = parseShape(
      payloadShape,
      outer.payload,
      `${what}: payload`,
      "payment_required",
    );
    return {
      x402Version,
      chainId: parseCaip2(network) ?? (x402Version === 1 ? chainOfV1Network(network) : null),
      authorization,
      signature,
      accepted: x402Version === 1 ? null : acceptedOf(accepted, what),
      identifier: identifierOf(extensions?.["payment-identifier"]),
    };
  } catch (thrown) {
    if (!(thrown instanceof KhachapuriError)) throw thrown;
    throw thrown.toldWith({ data: { x402Reason: "invalid_payload" } });
  }
}

function acceptedOf(accepted: unknown, what: string): AcceptedExact {
  return parseShape(acceptedShape, accepted, `${what}: accepted`, "payment_required");
}

/** One that cannot be read is none: the extension is the client's own to use. */
function identifierOf(extension: unknown): string | null {
  const result = v.safeParse(identifierShape, extension);
  return result.success ? result.output.info.id : null;
}

/** How a settlement went, as PAYMENT-RESPONSE says it. */
export interface ExactSettled {
  chainId: number;
  payer: Address;
  /** USDC base units. */
  amount: bigint;
  transaction: Hex;
}

/**
 * The JSON of a paid answer.
 * @param x402Version of who reads it: chains have other names in version 1
 */
export function exactResponse(
  { chainId, payer, amount, transaction }: ExactSettled,
  x402Version: 1 | 2,
) {
  const named = x402Version === 1 ? v1Network(chainId) : null;
  const network = named ?? formatCaip2(chainId);
  return { success: true, transaction, network, payer, amount: String(amount) };
}

/**
 * The JSON of an answer that was to be paid and is not.
 * @param reason x402's word for it
 * @param transaction of what may still come; null: nothing was sent, or it failed
 */
export function exactFailure(
  { chainId, payer }: Pick<ExactSettled, "chainId" | "payer">,
  reason: string,
  message: string,
  transaction: Hex | null,
) {
  return {
    success: false,
    errorReason: reason,
    errorMessage: message,
    transaction: transaction ?? "",
    network: formatCaip2(chainId),
    payer,
  };
}

/** What a receipt calls its lane: `keccak256(abi.encode("x402", from, nonce))`. */
export function exactLane({ from, nonce }: AuthorizationId): Hex {
  const types = [{ type: "string" }, { type: "address" }, { type: "bytes32" }] as const;
  return keccak256(encodeAbiParameters(types, ["x402", from, nonce]));
}

/**
 * The payment headers, in the form of x402 version 2 (transports-v2/http.md): standard base64 of
 * UTF-8 JSON. `PAYMENT-SIGNATURE` carries a payer's permit to the provider, `PAYMENT-REQUIRED`
 * says with a 402 what would be taken, `PAYMENT-RESPONSE` says what was charged. How far a lane is
 * charged is `cumulative` and `cumulativeCredits` here, the wire's names, and `charged` elsewhere.
 *
 * Our scheme is `credits`: a cumulative permit against the Escrow, and for a payer's first call
 * the EIP-3009 signature that funds it. The permit is a bearer secret while credits are left on
 * it, so nothing here puts a header's text into an error. One that is used up is what proves a
 * count.
 */
import * as v from "valibot";
import type { Address, Hex } from "viem";
import { formatCaip2, parseCaip2 } from "./caip.ts";
import { type DepositAuthorization, depositShape, depositToJson } from "./deposit_authorization.ts";
import { type ErrorCode, KhachapuriError } from "./errors.ts";
import { type LaneCount, laneCountToJson, type LaneProof } from "./lane_count.ts";
import { PAYMENT_HEADER_BYTES_MAX } from "./limits.ts";
import {
  type EscrowDomain,
  escrowTypedDomain,
  laneProofShape,
  type Permit,
  permitShape,
  permitToJson,
} from "./permit.ts";
import { addressShape, hexShape, parseJson, parseShape, uintShape } from "./shape.ts";
import {
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
  PAYMENT_SIGNATURE_HEADER,
  toHeader,
} from "./payment_required.ts";

export * from "./payment_required.ts";

/** The name of our scheme in `accepts`. */
export const CREDITS_SCHEME = "credits";

/** What a provider takes in our scheme. */
export interface CreditsOffer {
  chainId: number;
  escrow: Address;
  /** The USDC contract. */
  asset: Address;
  /** The provider's address, which permits name. */
  payTo: Address;
  /** Price of one credit, USDC base units. */
  pricePerCredit: bigint;
  /** How long the answer may take. */
  maxTimeoutSeconds: number;
  /** Notice that a payer gives before its locked credits can leave. */
  thawingPeriodSeconds: number;
  /** The least that a relayed deposit must allow, USDC base units; absent where none is relayed. */
  depositMinimum?: bigint;
  /** Of what was called: how many credits its run may take; absent where that is not known. */
  creditsMax?: number;
  /** Corrective 402 only: the lane asked about and what has been charged on it so far. */
  lane?: LaneCount;
}

/** A decoded `PAYMENT-SIGNATURE`. */
export interface CreditsPayment {
  accepted: CreditsOffer;
  permit: Permit;
  deposit?: DepositAuthorization;
}

/** What was charged, for `PAYMENT-RESPONSE`. */
export interface ChargeNotice {
  chainId: number;
  payer: Address;
  chargedCredits: bigint;
  /** On the permit's lane, this charge included. */
  cumulativeCredits: bigint;
  /** What the payer's allowance still holds for this provider. */
  availableCredits: bigint;
  /** Hash of the transaction that moved the money; absent while it awaits settlement. */
  transaction?: Hex;
}

const secondsShape = v.pipe(v.number(), v.integer("not whole seconds"), v.minValue(0));

const creditsMaxShape = v.pipe(v.number(), v.safeInteger("not whole credits"), v.minValue(1));

/** Unknown members are left out, not refused: an offer is copied around by foreign clients. */
const offerShape = v.pipe(
  v.object({
    scheme: v.literal(CREDITS_SCHEME),
    network: v.pipe(
      v.string(),
      v.check((text) => parseCaip2(text) !== null, "not an eip155 network (CAIP-2)"),
    ),
    amount: uintShape(128),
    asset: addressShape,
    payTo: addressShape,
    maxTimeoutSeconds: secondsShape,
    extra: v.object({
      escrow: addressShape,
      pricePerCredit: uintShape(128),
      thawingPeriod: secondsShape,
      depositMinimum: v.optional(uintShape(128)),
      creditsMax: v.optional(creditsMaxShape),
      lane: v.optional(hexShape(32)),
      cumulative: v.optional(uintShape(128)),
      proof: v.optional(laneProofShape),
    }),
  }),
  v.transform(({ network, asset, payTo, maxTimeoutSeconds, extra }): CreditsOffer => ({
    chainId: parseCaip2(network) as number,
    escrow: extra.escrow,
    asset,
    payTo,
    pricePerCredit: extra.pricePerCredit,
    maxTimeoutSeconds,
    thawingPeriodSeconds: extra.thawingPeriod,
    ...(extra.depositMinimum === undefined ? {} : { depositMinimum: extra.depositMinimum }),
    ...(extra.creditsMax === undefined ? {} : { creditsMax: extra.creditsMax }),
    ...laneOf(extra),
  })),
);

/** An offer tells a lane's count whole, or none. */
function laneOf(
  { lane: id, cumulative, proof }: {
    lane?: Hex | undefined;
    cumulative?: bigint | undefined;
    proof?: LaneProof | undefined;
  },
): { lane?: LaneCount } {
  if (id === undefined || cumulative === undefined) return {};
  return { lane: { id, cumulative, ...(proof ? { proof } : {}) } };
}

const payloadShape = v.strictObject({
  type: v.literal("permit"),
  permit: permitShape,
  deposit: v.optional(depositShape),
});

/** One offer as x402 writes it into `accepts`. */
export function offerToJson(offer: CreditsOffer) {
  const { name, version } = escrowTypedDomain(offer);
  return {
    scheme: CREDITS_SCHEME,
    network: formatCaip2(offer.chainId),
    amount: String(offer.pricePerCredit),
    asset: offer.asset,
    payTo: offer.payTo,
    maxTimeoutSeconds: offer.maxTimeoutSeconds,
    extra: {
      escrow: offer.escrow,
      pricePerCredit: String(offer.pricePerCredit),
      thawingPeriod: offer.thawingPeriodSeconds,
      name,
      version,
      ...(offer.depositMinimum === undefined
        ? {}
        : { depositMinimum: String(offer.depositMinimum) }),
      ...(offer.creditsMax === undefined ? {} : { creditsMax: offer.creditsMax }),
      ...(offer.lane ? laneCountToJson(offer.lane) : {}),
    },
  };
}

/** The value of a `PAYMENT-SIGNATURE` header. */
export function encodePaymentHeader(payment: CreditsPayment): string {
  return toHeader({
    x402Version: 2,
    accepted: offerToJson(payment.accepted),
    payload: {
      type: "permit",
      permit: permitToJson(payment.permit),
      ...(payment.deposit ? { deposit: depositToJson(payment.deposit) } : {}),
    },
  });
}

/**
 * Reads a `PAYMENT-SIGNATURE` header. The form only: who signed and whether the credits are there
 * is the caller's to check.
 * @param expected the escrow and provider it must be meant for; a client reading its own header
 *   leaves it out
 * @throws KhachapuriError `invalid_input` when malformed, `payment_required` when it is well made
 *   but for another scheme, chain, escrow or provider
 */
export function decodePaymentHeader(
  text: string,
  expected?: EscrowDomain & { provider: Address },
): CreditsPayment {
  const what = PAYMENT_SIGNATURE_HEADER;
  const outer = parseShape(
    v.object({
      x402Version: v.literal(2),
      accepted: v.looseObject({ scheme: v.string(), network: v.string() }),
      payload: v.unknown(),
    }),
    headerJson(text, what),
    what,
    "invalid_input",
  );
  if (outer.accepted.scheme !== CREDITS_SCHEME) {
    throw notTaken(`this provider takes the scheme "${CREDITS_SCHEME}" only`);
  }
  const accepted = parseShape(offerShape, outer.accepted, `${what}: accepted`, "invalid_input");
  const payload = parseShape(payloadShape, outer.payload, `${what}: payload`, "invalid_input");
  const { permit, deposit } = payload;
  if (expected) assertMeantFor(expected, accepted, permit);
  return { accepted, permit, ...(deposit ? { deposit } : {}) };
}

function assertMeantFor(
  expected: EscrowDomain & { provider: Address },
  accepted: CreditsOffer,
  permit: Permit,
): void {
  if (accepted.chainId !== expected.chainId) {
    throw notTaken(`the permit is for chain ${accepted.chainId}, not ${expected.chainId}`);
  }
  if (accepted.escrow !== expected.escrow) {
    throw notTaken(`the permit is for escrow ${accepted.escrow}, not ${expected.escrow}`);
  }
  if (permit.provider !== expected.provider || accepted.payTo !== expected.provider) {
    throw notTaken(`the permit pays ${permit.provider}, not this provider ${expected.provider}`);
  }
}

function notTaken(message: string): KhachapuriError {
  return new KhachapuriError("payment_required", message, {
    hints: ["sign one with `khachapuri permit NAME --credits N`"],
  });
}

const acceptsShape = v.array(v.looseObject({ scheme: v.string() }));

/**
 * The `credits` offers in x402's `accepts`; other schemes are passed over.
 * @param what holds it, for messages
 * @throws KhachapuriError `code`
 */
export function offersIn(accepts: unknown, what: string, code: ErrorCode): CreditsOffer[] {
  return parseShape(acceptsShape, accepts, what, code)
    .filter(({ scheme }) => scheme === CREDITS_SCHEME)
    .map((entry) => parseShape(offerShape, entry, what, code));
}

/** The `credits` offers of a `PAYMENT-REQUIRED` header; other schemes are passed over. */
export function decodePaymentRequired(
  text: string,
): { error: string | null; offers: CreditsOffer[] } {
  const what = PAYMENT_REQUIRED_HEADER;
  const shape = v.object({
    x402Version: v.literal(2),
    error: v.optional(v.string()),
    accepts: v.unknown(),
  });
  const body = parseShape(shape, headerJson(text, what), what, "invalid_input");
  const offers = offersIn(body.accepts, what, "invalid_input");
  return { error: body.error ?? null, offers };
}

/**
 * The JSON of a paid answer, for `PAYMENT-RESPONSE` by `toHeader`. x402 wants `transaction` and
 * `amount` to be there: they are empty while the charge awaits settlement, and in credits.
 */
export function paymentResponse(notice: ChargeNotice) {
  return {
    success: true,
    transaction: notice.transaction ?? "",
    network: formatCaip2(notice.chainId),
    payer: notice.payer,
    amount: "",
    extra: {
      chargedCredits: String(notice.chargedCredits),
      cumulativeCredits: String(notice.cumulativeCredits),
      availableCredits: String(notice.availableCredits),
    },
  };
}

/**
 * Reads a `PAYMENT-RESPONSE` header.
 * @throws KhachapuriError `invalid_input`
 */
export function decodePaymentResponse(text: string): ChargeNotice {
  return chargeNoticeFromJson(headerJson(text, PAYMENT_RESPONSE_HEADER));
}

/**
 * Reads the JSON of a `PAYMENT-RESPONSE`.
 * @throws KhachapuriError `invalid_input`
 */
export function chargeNoticeFromJson(json: unknown): ChargeNotice {
  const what = PAYMENT_RESPONSE_HEADER;
  const shape = v.object({
    success: v.literal(true),
    transaction: v.union([v.literal(""), hexShape(32)]),
    network: v.string(),
    payer: addressShape,
    extra: v.object({
      chargedCredits: uintShape(128),
      cumulativeCredits: uintShape(128),
      availableCredits: uintShape(128),
    }),
  });
  const body = parseShape(shape, json, what, "invalid_input");
  const chainId = parseCaip2(body.network);
  if (chainId === null) throw malformed(what, "network: not an eip155 network (CAIP-2)");
  const transaction = body.transaction === "" ? {} : { transaction: body.transaction };
  return { chainId, payer: body.payer, ...body.extra, ...transaction };
}

/**
 * The JSON of an x402 header.
 * @param what the header's name, for messages
 * @throws KhachapuriError `invalid_input` for what is too long, no standard base64 or no JSON
 */
export function headerJson(text: string, what: string): unknown {
  if (text.length > PAYMENT_HEADER_BYTES_MAX) {
    throw malformed(what, `longer than ${PAYMENT_HEADER_BYTES_MAX} bytes`);
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw malformed(what, "not standard base64");
  return parseJson(decodeUtf8(text, what), what, "invalid_input");
}

function decodeUtf8(base64: string, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(base64));
  } catch {
    throw malformed(what, "not base64 of UTF-8 text");
  }
}

function malformed(what: string, why: string): KhachapuriError {
  return new KhachapuriError("invalid_input", `${what}: ${why}`);
}

/** Who pays for a call: the bearer of a permit, or by default the deployment's owner. */
import type { Address, Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  type CreditsPayment,
  decodePaymentHeader,
  type DepositAuthorization,
  PAYMENT_SIGNATURE_HEADER,
} from "../../payment_header.ts";
import type { EscrowDomain, Permit } from "../../permit.ts";
import type { Deployment } from "../deployment/deployments.ts";

/** One credit, about to be taken. */
export interface Bill {
  /** An owner's balance is nobody else's business; a caller is told about its own. */
  readonly source: "owner" | "caller";
  readonly payer: Address;
  readonly lane: Hex;
  readonly permit: Permit;
  /** What the provider asks for one credit, USDC base units. */
  readonly price: bigint;
  /** The deployment's cid. */
  readonly deployment: string;
  /** A first call may bring the money along. */
  readonly deposit: DepositAuthorization | null;
}

export interface BillTerms extends EscrowDomain {
  provider: Address;
  price: bigint;
}

/** One header comes with many calls: it is read once. By provider, then text, last used last. */
const decoded = new WeakMap<BillTerms, Map<string, CreditsPayment>>();
/** Headers kept, PAYMENT_HEADER_BYTES_MAX each at most. */
const DECODED_MAX = 1_000;

/** The seed's "payer header": an address, which alone proves nothing. */
const PAYER_HEADER = "payer";

/**
 * Reads who pays from the request's headers.
 * @throws KhachapuriError `payment_required` for an address without proof, a permit for somebody
 * else, or none where the deployment asks callers to pay; `invalid_input` for a malformed header
 */
export function billOf(terms: BillTerms, deployment: Deployment, headers: Headers): Bill {
  const shared = { price: terms.price, deployment: deployment.cid };
  const payment = paymentOf(terms, headers);
  if (payment) {
    const { permit, deposit = null } = payment;
    assertSamePayer(headers.get(PAYER_HEADER), permit.payer);
    const { payer, lane } = permit;
    return { ...shared, source: "caller", payer, lane, permit, deposit };
  }
  if (headers.has(PAYER_HEADER)) throw noProof();
  if (deployment.spec.access === "payer") {
    throw new KhachapuriError("payment_required", "callers of this deployment pay themselves", {
      hints: [howToPay(terms)],
    });
  }
  const { permit } = deployment.entry;
  const { payer, lane } = permit;
  return { ...shared, source: "owner", payer, lane, permit, deposit: null };
}

function paymentOf(terms: BillTerms, headers: Headers): CreditsPayment | null {
  const text = headers.get(PAYMENT_SIGNATURE_HEADER);
  if (text === null) return null;
  const known = decoded.get(terms) ?? new Map<string, CreditsPayment>();
  decoded.set(terms, known);
  const payment = known.get(text) ?? decodePaymentHeader(text, terms);
  known.delete(text);
  if (known.size >= DECODED_MAX) known.delete(known.keys().next().value!);
  known.set(text, payment);
  return payment;
}

function assertSamePayer(named: string | null, payer: Address): void {
  if (named === null || named.toLowerCase() === payer.toLowerCase()) return;
  throw new KhachapuriError("payment_required", "the payer header and the permit name two payers");
}

function noProof(): KhachapuriError {
  return new KhachapuriError("payment_required", "a payer's address alone proves nothing", {
    hints: [`send the payer's permit in ${PAYMENT_SIGNATURE_HEADER}`],
  });
}

function howToPay({ provider }: BillTerms): string {
  return `sign a permit for provider ${provider} with \`khachapuri permit NAME --credits N\`, ` +
    `and send it in ${PAYMENT_SIGNATURE_HEADER}`;
}

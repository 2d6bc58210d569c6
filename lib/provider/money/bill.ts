/** Who pays for a call in credits: the bearer of a permit, or by default the deployment's owner. */
import type { Address, Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { HEADERS_DECODED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { DepositAuthorization } from "../../deposit_authorization.ts";
import {
  type CreditsPayment,
  decodePaymentHeader,
  PAYMENT_SIGNATURE_HEADER,
} from "../../payment_header.ts";
import { type Permit, UINT128_MAX } from "../../permit.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { FieldReader } from "../http/fields.ts";
import type { Draw } from "../ledger/judge.ts";
import type { OwnerPrices } from "./owner_prices.ts";
import { assertSamePayer, PAYER_HEADER } from "./payer_header.ts";
import type { Bill } from "./scheme.ts";
import type { Seller } from "./seller.ts";

/** One credit, about to be taken from a lane. */
export interface CreditsBill extends Bill, Draw {
  /** A first call may bring the money along. */
  readonly deposit: DepositAuthorization | null;
  /** The caller's address, by which strangers' reads of the chain are limited, where it is told. */
  readonly from?: string;
}

/** Whether a payer's lane is one that a deployment of its own counts on. */
export type IsDeploymentLane = (payer: Address, lane: Hex) => boolean;

/** The permit by which a deployment's owner pays; the same object at each call. */
export type OwnerPermit = (deployment: Deployment) => Permit;

export class BillReader {
  /** A client sends one header with many calls: it is decoded, and its signature checked, once. */
  readonly #decoded = new Lru<string, CreditsPayment>(HEADERS_DECODED_MAX);

  constructor(
    private readonly seller: Seller,
    private readonly isDeploymentLane: IsDeploymentLane,
    private readonly ownerPermit: OwnerPermit,
    private readonly ownerPrices: Pick<OwnerPrices, "priceOf">,
  ) {}

  /**
   * Reads who pays from the request's headers.
   * @throws KhachapuriError `payment_required` for an address without proof, a permit for somebody
   * else or of a deployment, or none where the deployment asks callers to pay; `invalid_input` for
   * a malformed header
   */
  read(deployment: Deployment, fields: FieldReader, from?: string): CreditsBill {
    const bill = this.#read(deployment, fields);
    return from === undefined ? bill : { ...bill, from };
  }

  #read(deployment: Deployment, fields: FieldReader): CreditsBill {
    const { cid, spec } = deployment;
    const payment = this.#paymentOf(fields);
    if (payment) {
      const { permit, deposit = null } = payment;
      assertSamePayer(fields.get(PAYER_HEADER), permit.payer);
      this.assertCallers(permit);
      return billOf(cid, "caller", permit, this.seller.price, deposit);
    }
    if (fields.has(PAYER_HEADER)) throw noProof();
    if (spec.access === "payer") throw callersPay(this.seller);
    return this.ofOwner(deployment);
  }

  /** For what its owner is to pay, whoever pays for calls. */
  ofOwner(deployment: Deployment): CreditsBill {
    const { cid, spec: { limits: { ownerCreditsPerMinute } } } = deployment;
    const price = this.ownerPrices.priceOf(cid);
    const bill = billOf(cid, "owner", this.ownerPermit(deployment), price, null);
    return { ...bill, ownerCreditsPerMinute };
  }

  /** The permit that a request brings along; null when it has none that can be read. */
  permitOf(fields: FieldReader): Permit | null {
    try {
      return this.#paymentOf(fields)?.permit ?? null;
    } catch {
      return null;
    }
  }

  #paymentOf(fields: FieldReader): CreditsPayment | null {
    const text = fields.get(PAYMENT_SIGNATURE_HEADER);
    if (text === null) return null;
    const known = this.#decoded.get(text);
    if (known) return known;
    const payment = decodePaymentHeader(text, this.seller);
    this.#decoded.set(text, payment);
    return payment;
  }

  /**
   * Other providers of a deployment read its owner's permits. They may not pay with them, nor ask
   * for the count: not on a lane that a deployment counts on, and not with the owner's unlimited
   * kind.
   * @throws KhachapuriError `payment_required`
   */
  assertCallers({ payer, lane, credits }: Permit): void {
    if (!this.isDeploymentLane(payer, lane) && credits < UINT128_MAX) return;
    throw new KhachapuriError("payment_required", "this is a deployment's permit, not a caller's", {
      hints: ["sign a permit for a number of credits on a lane of your own"],
    });
  }
}

function billOf(
  cid: CidText,
  source: Bill["source"],
  permit: Permit,
  price: bigint,
  deposit: DepositAuthorization | null,
): CreditsBill {
  const { payer, lane } = permit;
  return { source, payer, lane, scope: lane, permit, price, cid, deposit };
}

function noProof(): KhachapuriError {
  return new KhachapuriError("payment_required", "a payer's address alone proves nothing", {
    hints: [`send the payer's permit in ${PAYMENT_SIGNATURE_HEADER}`],
  });
}

function callersPay({ provider, price }: Seller): KhachapuriError {
  const command = `khachapuri permit ${provider} --credits N --price ${formatUsdc(price)}`;
  const pays =
    "or `khachapuri call --pay URL` pays for a call, as does a wallet at /pay here, and any " +
    "x402 client where `accepts` names exact";
  const how = `sign a permit for provider ${provider} with \`${command}\``;
  return new KhachapuriError("payment_required", "callers of this deployment pay themselves", {
    hints: [`${how}, and send it in ${PAYMENT_SIGNATURE_HEADER}`, pays],
  });
}

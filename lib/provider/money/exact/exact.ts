/**
 * The payment scheme "exact" of x402: USDC straight to the provider, by a payer's authorisation,
 * for one call of one credit's time. The payment is taken down before the program starts, moved
 * from its start on, and no byte of an answer goes out before the chain told that the money came.
 */
import { type Address, type Hex, isAddressEqual } from "viem";
import type { TransferRefusal } from "../../../chain/transfer_refusal.ts";
import { formatUsdc, type UsdcDomain } from "../../../chain/usdc.ts";
import { KhachapuriError } from "../../../errors.ts";
import {
  decodeExactHeader,
  type ExactOffer,
  exactOfferToJson,
  type ExactPayment,
} from "../../../exact_payment.ts";
import { HEADERS_DECODED_MAX } from "../../../limits.ts";
import { Lru } from "../../../lru.ts";
import { type Accept, PAYMENT_SIGNATURE_HEADER } from "../../../payment_required.ts";
import { recoverTransferSigner } from "../../../transfer_authorization.ts";
import { PAYMENT_HEADER_V1 } from "../../../x402_v1.ts";
import type { Deployment } from "../../deployment/deployment.ts";
import { addressPrefix } from "../../http/address_prefix.ts";
import type { FieldReader } from "../../http/fields.ts";
import type { Funds, OrderRefusal, PurchasesOfCalls } from "../../ledger/purchase_book.ts";
import type { Purchase } from "../../ledger/purchase_rows.ts";
import { assertSamePayer, PAYER_HEADER } from "../payer_header.ts";
import type { Receipts } from "../receipts.ts";
import type { Asked, Bill, Hold, PaymentScheme } from "../scheme.ts";
import { type Fault, isOfUndeployedWallet, paymentFault, timeFault } from "./checks.ts";
import { notTaken, revertedBefore, tooMuchUnderWay } from "./failure.ts";
import { ExactHold } from "./hold.ts";
import type { ExactLooks } from "./looks.ts";

/** One call, about to be paid for. */
export interface ExactBill extends Bill {
  readonly payment: ExactPayment;
  readonly from: string | undefined;
}

export interface ExactAdmission {
  readonly bill: ExactBill;
  /** What the payer holds; null where its money is on its way, or here. */
  readonly funds: Funds | null;
  /** The chain's block then. */
  readonly block: bigint;
  /** When that was seen, ms. */
  readonly at: number;
}

/** What is known of a payer and its payment by asking the chain. */
export interface ExactLook {
  /** USDC base units. */
  readonly balance: bigint;
  readonly block: bigint;
  /** Why the token would not take the payment now; null: it would. */
  readonly refusal: TransferRefusal | null;
}

/** The chain, as far as payments are concerned. */
export interface ExactChain {
  /** @throws KhachapuriError `chain_unavailable` */
  hasCode(address: Address): Promise<boolean>;
  /** @throws KhachapuriError `chain_unavailable` */
  look(payment: ExactPayment): Promise<ExactLook>;
}

export interface ExactSettler {
  /** @throws KhachapuriError `overloaded`, `payment_required` for whom nothing is sent now */
  assertRoom(payer: Address): void;
  /**
   * Whether a payment that the token takes no more has come nevertheless.
   * @throws KhachapuriError `payment_required`
   */
  hasCome(purchase: Purchase): Promise<boolean>;
  /**
   * Resolves when the money has come.
   * @throws KhachapuriError `payment_required`, `chain_unavailable`
   */
  settle(purchase: Purchase): Promise<Purchase>;
}

export interface ExactOptions {
  terms: ExactOffer;
  /** Whether a payment is worth what moving it costs now; asked for each offer. */
  isWorth(): boolean;
  domain: UsdcDomain;
  chain: ExactChain;
  purchases: PurchasesOfCalls;
  settler: ExactSettler;
  receipts: Pick<Receipts, "pathOf">;
  looks: Pick<ExactLooks, "admit">;
  /** The later of the clock here and the chain's, ms. */
  laterNow: () => number;
}

/** What was seen of a payer is good for so long, ms: a body that is there is read by then. */
const LOOK_MS = 250;

export class Exact implements PaymentScheme<ExactBill, ExactAdmission> {
  /** Headers of other schemes: a client sends one with many calls. */
  readonly #others = new Lru<string, true>(HEADERS_DECODED_MAX);

  constructor(private readonly options: ExactOptions) {}

  offer(): Accept | null {
    const { terms, isWorth } = this.options;
    return isWorth() ? exactOfferToJson(terms) : null;
  }

  read(deployment: Deployment, fields: FieldReader, from?: string): Promise<ExactBill> | null {
    const payment = this.#paymentIn(fields);
    if (!payment) return null;
    assertSamePayer(fields.get(PAYER_HEADER), payment.authorization.from);
    return this.#billOf(deployment, payment, from);
  }

  async #billOf({ cid }: Deployment, payment: ExactPayment, from?: string): Promise<ExactBill> {
    const { authorization: { from: payer, nonce }, signature, identifier } = payment;
    const known = await this.options.purchases.find({ from: payer, nonce });
    const fault = paymentFault(payment, this.options.terms, this.#nowSeconds());
    if (fault && !known) throw notTaken(fault.reason, fault.message);
    const key = identifier === null ? keyOf(nonce, from) : `identifier ${identifier}`;
    return {
      source: "caller",
      payer,
      cid,
      scope: "exact",
      creditsMax: 1,
      key,
      payment,
      from,
      isOwed: known?.signature === signature && isOwed(known),
    };
  }

  /** Version 2's header goes first, as its clients send both while they find out. */
  #paymentIn(fields: FieldReader): ExactPayment | null {
    const text = fields.get(PAYMENT_SIGNATURE_HEADER);
    if (text === null) return oldPaymentIn(fields);
    if (this.#others.get(text)) return null;
    const payment = decodeExactHeader(text, PAYMENT_SIGNATURE_HEADER);
    if (payment === null) this.#others.set(text, true);
    return payment;
  }

  ownersBill(): ExactBill {
    throw new Error("no owner pays by a payment of its own");
  }

  provenPayer(): Promise<null> {
    return Promise.resolve(null);
  }

  async prove({ payment, from }: ExactBill): Promise<void> {
    if (await this.#known(payment) || await this.#isSignedByKey(payment)) return;
    this.options.looks.admit(from);
    await this.#assertWallets(payment);
    const { refusal } = await this.options.chain.look(payment);
    if (refusal) throw notTaken(refusal.reason, refusal.message);
  }

  async admit(bill: ExactBill): Promise<ExactAdmission> {
    const { payment, from } = bill;
    const { looks, purchases } = this.options;
    const known = await this.#known(payment);
    if (known && known.state !== "open") {
      return { bill, funds: null, block: known.block, at: purchases.now() };
    }
    if (!known) this.#assertSent(payment);
    if (!known && !await this.#isSignedByKey(payment)) {
      looks.admit(from);
      await this.#assertWallets(payment);
    }
    return await this.#look(bill);
  }

  /** What the chain says of a payment that nothing is known to be out for. */
  async #look(bill: ExactBill): Promise<ExactAdmission> {
    const { payment, from } = bill;
    const { chain, looks, settler, purchases } = this.options;
    looks.admit(from);
    const since = await purchases.moment();
    const { balance, block, refusal } = await chain.look(payment);
    const known = await this.#known(payment);
    if (refusal) {
      // One that was sent once may have been taken since.
      const hasCome = known !== null && await settler.hasCome(known);
      if (!hasCome) throw notTaken(refusal.reason, refusal.message);
      return { bill, funds: null, block, at: purchases.now() };
    }
    if (known) this.#assertSent(payment);
    return { bill, funds: { balance, since }, block, at: purchases.now() };
  }

  async hold(admission: ExactAdmission, asked?: () => Asked): Promise<Hold> {
    const { purchases, settler, receipts } = this.options;
    if (!asked) throw new Error("a payment is for a request");
    const { bill: { payment, cid }, funds, block } = await this.#fresh(admission);
    const { authorization, signature, x402Version } = payment;
    const { terms } = this.options;
    const fault = paymentFault(payment, terms, this.#nowSeconds());
    if (funds !== null) this.#assertStillGood(payment);
    const { digest: request, key } = asked();
    const order = { authorization, signature, cid, request, key, block };
    // What was known when the payment was read may have been forgotten since.
    const ordered = await purchases.order(order, funds, funds !== null && fault === null);
    if ("refusal" in ordered) throw refused(ordered.refusal, fault);
    const { chainId } = terms;
    return new ExactHold({ chainId, purchases, settler, receipts, x402Version }, ordered.purchase);
  }

  /** The one that was taken down here: whoever sends it is whoever sent it then. */
  async #known({ authorization, signature }: ExactPayment): Promise<Purchase | null> {
    const purchase = await this.options.purchases.find(authorization);
    return purchase?.signature === signature ? purchase : null;
  }

  async #isSignedByKey({ authorization, signature }: ExactPayment): Promise<boolean> {
    const signer = await recoverTransferSigner(this.options.domain, authorization, signature);
    return signer !== null && isAddressEqual(signer, authorization.from);
  }

  /**
   * A body, or a program that had to be fetched, may have taken long, in which the payer can move
   * its money: the run that is about to start would be for nothing.
   */
  async #fresh(admission: ExactAdmission): Promise<ExactAdmission> {
    const { bill, funds, at } = admission;
    const isOld = funds !== null && this.options.purchases.now() - at > LOOK_MS;
    return isOld ? await this.#look(bill) : admission;
  }

  /** It has to be sent, and needs its time. */
  #assertStillGood(payment: ExactPayment): void {
    this.#assertSent(payment);
    const fault = timeFault(payment.authorization, this.#nowSeconds());
    if (fault) throw notTaken(fault.reason, fault.message);
  }

  /**
   * That its payment would be sent: else it would be run for nothing.
   * @throws KhachapuriError `overloaded`, `payment_required`, `chain_unavailable`
   */
  #assertSent({ authorization: { from } }: ExactPayment): void {
    this.options.settler.assertRoom(from);
    if (this.options.isWorth()) return;
    throw new KhachapuriError("chain_unavailable", "gas costs more than the payment brings", {
      retryAfterSeconds: 60,
      hints: ["nothing was charged; send the same payment later, or pay by credits"],
    });
  }

  /** What no key of the payer's has signed, its code may take. */
  async #assertWallets({ authorization: { from }, signature }: ExactPayment): Promise<void> {
    if (await this.options.chain.hasCode(from)) return;
    if (isOfUndeployedWallet(signature)) {
      throw notTaken(
        "eip6492_factory_not_allowed",
        `the wallet ${from} is not deployed, and a signature of one that is not is not taken`,
        ["deploy the wallet first: its first transaction does"],
      );
    }
    throw notTaken("invalid_exact_evm_signature", `the payment is not signed by ${from}`);
  }

  #nowSeconds(): bigint {
    return BigInt(Math.floor(this.options.laterNow() / 1_000));
  }
}

/**
 * What a request without a key of its own is known by. Once it is mined everybody can read the
 * payment on chain, and programs may tell a payer what is its alone: so an answer is given again to
 * the network that asked for it first. What has an identifier is its client's secret.
 */
function keyOf(nonce: Hex, from: string | undefined): string {
  return `nonce ${nonce} ${(from && addressPrefix(from)) ?? ""}`;
}

/** In version 1. */
function oldPaymentIn(fields: FieldReader): ExactPayment | null {
  const old = fields.get(PAYMENT_HEADER_V1);
  if (old === null) return null;
  const payment = decodeExactHeader(old, PAYMENT_HEADER_V1);
  if (payment) return payment;
  throw new KhachapuriError("payment_required", `${PAYMENT_HEADER_V1} pays in a scheme not taken`, {
    hints: [`"exact" is; a permit goes into ${PAYMENT_SIGNATURE_HEADER}`],
    data: { x402Reason: "invalid_payload" },
  });
}

/** What may be out, or has come, for a run that has not ended. */
function isOwed({ outcome, state }: Purchase): boolean {
  return outcome === null && (state === "sent" || state === "paid");
}

/** @param fault of the payment, were it new */
function refused(refusal: OrderRefusal, fault: Fault | null): KhachapuriError {
  const used: [Parameters<typeof notTaken>[0], string] = [
    "invalid_exact_evm_nonce_already_used",
    "this payment was used for another request",
  ];
  switch (refusal.reason) {
    case "used":
      return notTaken(...used);
    case "void":
      return notTaken(used[0], "this payment was cancelled, or has expired");
    case "forgotten":
      return fault
        ? notTaken(fault.reason, fault.message)
        : notTaken(used[0], "this payment was used, and is not remembered any more");
    case "reverted":
      return revertedBefore(refusal.waitMs);
    case "full":
      return tooMuchUnderWay();
    case "running":
      return new KhachapuriError("idempotency_conflict", "a call with this payment still runs", {
        retryAfterSeconds: 1,
        hints: ["nothing was charged for this one; ask again for its answer"],
      });
    case "elsewhere":
      return new KhachapuriError(
        "idempotency_conflict",
        "the answer that this payment paid for is owed to who asked for it first",
        { hints: ["ask from the same network, or under the same Idempotency-Key, as then"] },
      );
    case "answered":
      return new KhachapuriError(
        "idempotency_conflict",
        "the request that this payment paid for was answered, and the answer is not given again",
        {
          hints: [
            "it is for a day, to the network that it went to",
            "nothing was charged for this one; sign a new payment to run it again",
          ],
        },
      );
    case "unfunded": {
      const [balance, promised] = [refusal.balance, refusal.promised].map(formatUsdc);
      return notTaken(
        "invalid_exact_evm_insufficient_balance",
        `the payer holds ${balance} USDC, of which ${promised} go to payments under way`,
        ["wait for those to end, or add USDC"],
      );
    }
  }
}

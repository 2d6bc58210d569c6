/**
 * The payment scheme "credits": a permit against an allowance that is locked in the escrow. Here a
 * bill meets what the chain says of its payer; whether a credit may be held is the ledger's to
 * decide (ledger/judge.ts).
 */
import type { Address, Hex } from "viem";
import type { KhachapuriError } from "../../errors.ts";
import { type LaneCount, type LaneProof, proofOf } from "../../lane_count.ts";
import { CONSUME_ATTEMPTS_MAX } from "../../limits.ts";
import type { DepositAuthorization } from "../../deposit_authorization.ts";
import { type Accept, type CreditsOffer, offerToJson } from "../../payment_header.ts";
import type { Permit } from "../../permit.ts";
import type { Deployment } from "../deployment/deployment.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Until } from "../ledger/group_commit.ts";
import {
  type Clock,
  type Judgement,
  type PayerView,
  permitRefusal,
  type Source,
} from "../ledger/judge.ts";
import type { LaneId, Outcome } from "../ledger/journal.ts";
import type { Held, Ledger, RunFacts } from "../ledger/ledger.ts";
import { Asking } from "./asking.ts";
import { BillReader, type CreditsBill, type IsDeploymentLane, type OwnerPermit } from "./bill.ts";
import { chargeFields } from "./charge_fields.ts";
import type { OwnerCredits } from "./owner_credits.ts";
import type { OwnerPrices } from "./owner_prices.ts";
import { type Answered, Inquiry, isNo, unsigned } from "./inquiry.ts";
import type { Caller, Payers } from "./payers.ts";
import type { Receipts } from "./receipts.ts";
import {
  depositedInVain,
  isMendable,
  isTold,
  type No,
  refusalError,
  type ToldBill,
  untraceable,
} from "./refusal.ts";
import type { Hold, OfferAbout, PaymentScheme } from "./scheme.ts";
import type { Seller } from "./seller.ts";
import { Signers } from "./signers.ts";

/** Has the escrow take one credit of the bill's lane; resolves when the ledger knows it. */
export type Consume = (bill: CreditsBill) => Promise<void>;

/** How far the chain has to be asked. */
export interface CreditPolicy {
  /** Null settles in the background; else each credit is mined before its run. */
  consume: Consume | null;
  /** A permit must outlive a call by this long, so that it can still be settled, seconds. */
  settleWindowSeconds(): bigint;
  /**
   * How old a view of the chain may be when a call is admitted, ms; asked at each call. `Infinity`
   * while the chain is followed, as a view is then as of now.
   */
  viewAgeMs(): number;
  /** By which deadlines go: the later of the clock here and the chain's, ms. */
  laterNow(): number;
  /** While the chain is out of reach, serve on old views up to this much unsettled; base units. */
  offlineAmount: bigint;
}

export interface CreditsOptions {
  seller: Seller;
  /** What a 402 asks for now. */
  offer: () => CreditsOffer;
  policy: CreditPolicy;
  ledger: Ledger;
  payers: Payers;
  receipts: Pick<Receipts, "pathOf">;
  ownerCredits: Pick<OwnerCredits, "note">;
  isDeploymentLane: IsDeploymentLane;
  ownerPermit: OwnerPermit;
  ownerPrices: OwnerPrices;
  /** Has a payer's deposit mined, sent by `from`; returns its transaction. */
  relay(payer: Address, deposit: DepositAuthorization, from?: string): Promise<Hex>;
  /** Called after each charge. */
  onCharge(): void;
  now: () => number;
}

/** A bill that can be paid, with what the chain said of its payer. */
export interface CreditsAdmission {
  readonly bill: CreditsBill;
  readonly view: PayerView;
  /** The transaction of the deposit that the call brought along and that was mined for it. */
  readonly deposited: Hex | null;
}

export class Credits implements PaymentScheme<CreditsBill, CreditsAdmission> {
  readonly #bills: BillReader;
  readonly #signers: Signers;
  readonly #asking = new Asking();
  readonly #inquiry: Inquiry;
  readonly #source: Source;

  constructor(private readonly options: CreditsOptions) {
    const { seller, isDeploymentLane, ownerPermit, ownerPrices } = options;
    this.#bills = new BillReader(seller, isDeploymentLane, ownerPermit, ownerPrices);
    this.#signers = new Signers(options.seller);
    this.#inquiry = new Inquiry({ ...options, signers: this.#signers });
    this.#source = options.policy.consume ? "prepaid" : "allowance";
  }

  offer({ lane, creditsMax }: OfferAbout = {}): Accept {
    return offerToJson({
      ...this.options.offer(),
      ...(lane ? { lane } : {}),
      ...(creditsMax === undefined ? {} : { creditsMax }),
    });
  }

  read(deployment: Deployment, fields: FieldReader, from?: string): CreditsBill {
    return this.#bills.read(deployment, fields, from);
  }

  ownersBill(deployment: Deployment): CreditsBill {
    return this.#bills.ofOwner(deployment);
  }

  async provenPayer(fields: FieldReader, mayRecover: () => boolean): Promise<Address | null> {
    const permit = this.#bills.permitOf(fields);
    const { ledger, payers } = this.options;
    if (!permit || !ledger.knows(permit.payer)) return null;
    if (!this.#signers.hasSeen(permit) && !mayRecover()) return null;
    const signer = await this.#signers.signerOf(permit);
    const isProven = signer === permit.payer || signer === payers.last(permit.payer)?.signer;
    return signer !== null && isProven ? permit.payer : null;
  }

  async prove(bill: CreditsBill): Promise<void> {
    await this.#viewOfProved(bill.permit, bill.from);
  }

  /**
   * What runs have used or hold on the permit's lane, for whoever shows a permit that the escrow
   * would believe, whatever is left on it.
   * @throws KhachapuriError `payment_required` when it is not the payer's or a deployment's,
   * `chain_unavailable`
   */
  async count(permit: Permit, from?: string): Promise<LaneCount> {
    this.#bills.assertCallers(permit);
    const view = await this.#viewOfProved(permit, from);
    const cumulative = await this.options.ledger.used(permit, view);
    const unsettled = this.options.ledger.unsettled(permit.payer);
    return { id: permit.lane, cumulative, ...await this.#proofOf(permit, view), unsettled };
  }

  /** @throws KhachapuriError `payment_required` when the permit is not the payer's */
  async #viewOfProved(permit: Permit, from?: string): Promise<PayerView> {
    const { answer, view } = await this.#inquiry.ask(permit, from, null, () => {
      return Promise.resolve({ payable: true } as Judgement | No);
    });
    if (!isNo(answer)) return view;
    const { seller: { price } } = this.options;
    throw await this.#refused({ source: "caller", permit, price }, answer, view);
  }

  /**
   * A used-up permit of the lane, for who has shown one; empty where there is none, or where
   * somebody else signs for the payer by now.
   */
  async #proofOf(lane: LaneId, view: PayerView): Promise<{ proof?: LaneProof }> {
    const permit = await this.options.ledger.usedUp(lane);
    if (!permit || await this.#signers.signerOf(permit) !== view.signer) return {};
    return { proof: proofOf(permit) };
  }

  /**
   * Why the escrow might not take a permit for a call now, whatever the payer has left; null when
   * it would.
   * @param price that it has to pay; without one what everybody is asked
   * @throws KhachapuriError `chain_unavailable`, `overloaded`
   */
  async permitFault(
    permit: Permit,
    from?: string,
    price = this.options.seller.price,
  ): Promise<KhachapuriError | null> {
    if (await this.#signers.signerOf(permit) === null) return unsigned();
    const { answer, view } = await this.#inquiry.ask<Judgement | No>(permit, from, null, (view) => {
      const refusal = permitRefusal({ permit, price }, view, this.#clock());
      return Promise.resolve(refusal ? { payable: false, refusal } : { payable: true });
    });
    if (!isNo(answer)) return null;
    // To who shows the permit the whole reason is told.
    return await this.#refused({ source: "caller", permit, price }, answer, view);
  }

  async admit(bill: CreditsBill): Promise<CreditsAdmission> {
    const first = await this.#judge(bill);
    if (!isNo(first.answer)) return { bill, view: first.view, deposited: null };
    if (bill.deposit === null || !isMendable(first.answer)) {
      throw await this.#refused(bill, first.answer, first.view);
    }
    const deposited = await this.options.relay(bill.payer, bill.deposit, bill.from);
    const second = await this.#judge(bill);
    if (!isNo(second.answer)) return { bill, view: second.view, deposited };
    throw depositedInVain(await this.#refused(bill, second.answer, second.view), deposited);
  }

  async hold(admission: CreditsAdmission): Promise<Hold> {
    const { consume } = this.options.policy;
    const first = consume
      ? await this.#takeFirst(admission, consume)
      : await this.#holdNow(admission);
    this.#noteOwner(admission.bill, first.view);
    return new CreditsHold(this.options, admission, first, () => this.#holdMore(admission));
  }

  async #holdMore(admission: CreditsAdmission): Promise<Answered<Held>> {
    const { ledger } = this.options;
    const held = await this.#heldBy(admission, (bill, view) => {
      return ledger.hold(bill, view, "allowance", false);
    });
    this.#noteOwner(admission.bill, held.view);
    return held;
  }

  #noteOwner(bill: CreditsBill, view: PayerView): void {
    const { ledger, ownerCredits } = this.options;
    if (bill.source !== "owner") return;
    // A figure, which no call waits for.
    ledger.standing(bill, view)
      .then(({ available }) => ownerCredits.note(bill.payer, available), () => {});
  }

  /** @throws KhachapuriError when the bill can't be paid any more */
  async #viewToPay(bill: CreditsBill): Promise<PayerView> {
    const { answer, view } = await this.#judge(bill);
    if (isNo(answer)) throw await this.#refused(bill, answer, view);
    return view;
  }

  #judge(bill: CreditsBill): Promise<Answered<Judgement | No>> {
    const { ledger } = this.options;
    return this.#inquiry.ask<Judgement | No>(bill.permit, bill.from, null, (view) => {
      return ledger.judge(bill, view, this.#source);
    });
  }

  #holdNow(admission: CreditsAdmission): Promise<Answered<Held>> {
    const { ledger } = this.options;
    return this.#heldBy(admission, (bill, view) => ledger.hold(bill, view, "allowance"));
  }

  async #heldBy(
    { bill, view: known }: CreditsAdmission,
    hold: (bill: CreditsBill, view: PayerView) => Promise<Held | No>,
  ): Promise<Answered<Held>> {
    const { permit, from } = bill;
    const { answer, view } = await this.#inquiry.ask<Held | No>(
      permit,
      from,
      known,
      (view) => hold(bill, view),
    );
    if (answer.payable) return { answer, view };
    throw await this.#refused(bill, answer, view);
  }

  /** The chain takes the credit first; what it took and no run used is the lane's next call's. */
  async #takeFirst(admission: CreditsAdmission, consume: Consume): Promise<Answered<Held>> {
    const { bill } = admission;
    const { ledger, payers } = this.options;
    let view = this.#inquiry.isCurrent(bill.payer, admission.view)
      ? admission.view
      : await this.#viewToPay(bill);
    for (let attempts = 0;; attempts++) {
      const answer = await ledger.hold(bill, view, attempts === 0 ? "prepaid" : "taken");
      if (answer.payable) return { answer, view };
      if (answer.refusal.reason !== "not_taken") throw await this.#refused(bill, answer, view);
      // Other calls on the lane may use what we had taken; an endpoint that hides what was taken
      // may not make us take it for ever.
      if (attempts === CONSUME_ATTEMPTS_MAX) throw untraceable();
      const left = { payer: view.credits, lane: bill.permit.credits - answer.refusal.settled };
      const over = this.#asking.ask(bill, left);
      await consume(bill).finally(over);
      payers.forget(bill.payer);
      // What was taken is ours to use, even while the chain cannot be read.
      const seen = view;
      const caller: Caller = { isProven: true, from: bill.from };
      view = await this.#inquiry.viewFor(bill.permit, caller).catch(() => seen);
    }
  }

  #clock(): Clock {
    const { policy } = this.options;
    const now = BigInt(Math.floor(policy.laterNow() / 1000));
    return { now, settleWindow: policy.settleWindowSeconds() };
  }

  async #refused(bill: ToldBill, no: No, view: PayerView): Promise<KhachapuriError> {
    const proof = isTold(bill, no) ? await this.#proofOf(bill.permit, view) : {};
    const { seller: { escrow }, ledger, offer, ownerPrices } = this.options;
    const { depositMinimum = null } = offer();
    const unsettled = ledger.unsettled(bill.permit.payer);
    const wording = { escrow, ownerPrices, ...this.#clock(), allowance: view, depositMinimum };
    return refusalError(bill, { ...no, ...proof, unsettled }, wording);
  }
}

/** Credits of a lane, in hand. */
class CreditsHold implements Hold {
  readonly reservation: number;
  readonly isPaid = true;
  #credits = 1;
  /** The credit that waits for its time. */
  #ahead: Held | null = null;
  #isOver = false;
  #view: PayerView;

  constructor(
    private readonly options: CreditsOptions,
    private readonly admission: CreditsAdmission,
    private readonly first: Answered<Held>,
    private readonly holdMore: () => Promise<Answered<Held>>,
  ) {
    this.reservation = first.answer.reservation;
    this.#view = first.view;
  }

  get credits(): number {
    return this.#credits;
  }

  started(): void {}

  async extend(): Promise<void> {
    const { answer, view } = await this.holdMore();
    this.#ahead = answer;
    this.#view = view;
    // The run may have ended while the disk was written.
    if (this.#isOver) this.giveBack();
  }

  async begin(): Promise<void> {
    const ahead = this.#ahead;
    if (ahead === null) return;
    this.#ahead = null;
    this.#credits += 1;
    await this.#charge(ahead, "answered", null);
  }

  giveBack(): void {
    if (this.#ahead !== null) this.options.ledger.release(this.#ahead, "unused");
    this.#ahead = null;
  }

  async charge(outcome: Outcome, run: RunFacts | null, until?: Until): Promise<void> {
    this.#end();
    await this.#charge(this.first.answer, outcome, run, until);
  }

  release(reason: string): void {
    this.#end();
    this.options.ledger.release(this.first.answer, reason);
  }

  #end(): void {
    this.#isOver = true;
    this.giveBack();
  }

  async #charge(
    held: Held,
    outcome: Outcome,
    run: RunFacts | null,
    until?: Until,
  ): Promise<void> {
    await this.options.ledger.charge(held, outcome, run, until);
    this.options.onCharge();
  }

  notice(): Promise<HeaderField[]> {
    const isTold = this.admission.bill.source === "caller";
    return isTold ? this.#callersNotice() : Promise.resolve([]);
  }

  async #callersNotice(): Promise<HeaderField[]> {
    const { admission: { bill, deposited }, options: { ledger, receipts, seller } } = this;
    const { charged, available } = await ledger.standing(bill, this.#view);
    return chargeFields(receipts.pathOf(this.reservation), {
      chainId: seller.chainId,
      payer: bill.payer,
      chargedCredits: BigInt(this.#credits),
      cumulativeCredits: charged,
      availableCredits: available,
      ...(deposited === null ? {} : { transaction: deposited }),
    });
  }
}

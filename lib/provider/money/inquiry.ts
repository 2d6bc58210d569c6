/**
 * How a call comes to a view of its payer. Who signed is found out first, as that takes no request
 * to the chain; then the chain is asked no further than the answer needs.
 */
import type { Address, Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import type { Permit } from "../../permit.ts";
import type { Judgement, PayerView } from "../ledger/judge.ts";
import type { Held, Ledger } from "../ledger/ledger.ts";
import type { Caller, Payers } from "./payers.ts";
import type { No } from "./refusal.ts";
import type { Seller } from "./seller.ts";
import type { Signers } from "./signers.ts";

export interface InquiryOptions {
  seller: Seller;
  policy: {
    /** How old a view may be, ms; `Infinity` while the chain is followed. */
    viewAgeMs(): number;
    /** What may be unsettled while the chain is out of reach, base units. */
    readonly offlineAmount: bigint;
  };
  ledger: Pick<Ledger, "knows" | "totals">;
  payers: Payers;
  signers: Signers;
  now: () => number;
}

/** An answer, and the view that it was given on. */
export interface Answered<Answer> {
  answer: Answer;
  view: PayerView;
}

/** A payer who is refused is looked up this often at most, ms. */
const REFUSAL_AGE_MS = 500;

export class Inquiry {
  constructor(private readonly options: InquiryOptions) {}

  /**
   * Asks a question on a view of the payer: on `known` while it is the newest, else on a view as
   * old as the policy allows. Who signed is looked at first. A no that another block may change is
   * not said on an old view: the payer may have allowed more just now.
   */
  async ask<Answer extends Judgement | No | Held>(
    permit: Permit,
    from: string | undefined,
    known: PayerView | null,
    question: (view: PayerView) => Promise<Answer>,
  ): Promise<Answered<Answer | No>> {
    const signer = await this.options.signers.signerOf(permit);
    if (signer === null) throw unsigned();
    const { payers, policy, now } = this.options;
    const isProven = signer === permit.payer || signer === payers.last(permit.payer)?.signer;
    const caller: Caller = { isProven, from };
    const forged = isProven ? null : this.#forgery(permit);
    if (forged) return forged;
    const answered = async (view: PayerView): Promise<Answered<Answer | No>> => ({
      answer: signer === view.signer ? await question(view) : wrongSignerNo(view),
      view,
    });
    const isNewest = known !== null && payers.isCurrent(permit.payer, known, policy.viewAgeMs());
    const view = isNewest ? known : await this.viewFor(permit, caller);
    const first = await answered(view);
    if (!mayChange(first.answer) || now() - view.at < REFUSAL_AGE_MS) return first;
    const fresh = await this.#viewAgain(permit, caller, view);
    return fresh === view ? first : await answered(fresh);
  }

  /** The escrow fixes who signs while credits are left: what another has signed needs no look. */
  #forgery({ payer }: Permit): Answered<No> | null {
    const { payers, policy } = this.options;
    const view = payers.current(payer, policy.viewAgeMs());
    return view && view.credits > 0n ? { answer: wrongSignerNo(view), view } : null;
  }

  isCurrent(payer: Address, view: PayerView): boolean {
    const { payers, policy } = this.options;
    return payers.isCurrent(payer, view, policy.viewAgeMs());
  }

  /**
   * What the chain says of the payer. When it says nothing, what it said last will do for a while:
   * a payer cannot take credits back before they have thawed.
   */
  async viewFor({ payer, lane }: Permit, caller: Caller): Promise<PayerView> {
    const { payers, policy } = this.options;
    return await this.#orLast(payer, lane, payers.view(payer, lane, policy.viewAgeMs(), caller));
  }

  /** A view of just now; where the payer asks for too many, the one that there is. */
  async #viewAgain(
    { payer, lane }: Permit,
    caller: Caller,
    view: PayerView,
  ): Promise<PayerView> {
    const read = this.options.payers.viewAgain(payer, lane, REFUSAL_AGE_MS, caller);
    return await this.#orLast(payer, lane, read).catch((error) => {
      const isLimited = error.code === "rate_limited" || error.code === "overloaded";
      if (isLimited && this.isCurrent(payer, view)) return view;
      throw error;
    });
  }

  async #orLast(payer: Address, lane: Hex, read: Promise<PayerView>): Promise<PayerView> {
    try {
      return await read;
    } catch (error) {
      const { payers, ledger, policy, seller } = this.options;
      const last = payers.last(payer);
      const { unsettled, held, preheld } = ledger.totals();
      const exposure = unsettled + held - preheld + seller.price;
      const isServed = ledger.knows(payer, lane) && exposure <= policy.offlineAmount;
      if (last && isServed) return last;
      throw error;
    }
  }
}

/** What the payer may have changed on chain just now. */
const CHANGEABLE: ReadonlySet<string> = new Set([
  "no_credits",
  "allowance_price",
  "dust_lanes",
  "permit_epoch",
  "wrong_signer",
]);

function mayChange(answer: Judgement | No | Held): boolean {
  return isNo(answer) && CHANGEABLE.has(answer.refusal.reason);
}

function wrongSignerNo({ signer }: PayerView): No {
  return { payable: false, refusal: { reason: "wrong_signer", signer } };
}

/** That the escrow has to take the credit first is no refusal. */
export function isNo(answer: Judgement | No | Held): answer is No {
  return !answer.payable && answer.refusal.reason !== "not_taken";
}

/** The permit's bytes are no signature that the escrow takes. */
export function unsigned(): KhachapuriError {
  return new KhachapuriError("payment_required", "the permit carries no signature", {
    hints: ["the escrow takes 65 bytes r, s, v with low s and v 27 or 28"],
  });
}

/** What a bill may take: permit, lane and allowance against what is used, held and settled. */
import type { Address, Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import { KhachapuriError } from "../../errors.ts";
import { PAYER_LANES_MAX } from "../../limits.ts";
import type { Ahead } from "./prehold.ts";
import type { Bill } from "./bill.ts";
import { type Lane, prepaid } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { PayerView } from "./payers.ts";

/**
 * Credits that may still be promised: `credits − thawing − outstanding`. What is outstanding is
 * counted against what the escrow had taken at the block of the credits, never against what we
 * heard of since: a settlement that the view does not know has left both sides as they are. What
 * is prepaid on a lane is for that lane's calls alone.
 */
export function available(
  view: PayerView,
  payer: Address,
  ledger: Pick<Ledger, "account" | "lane">,
  lane: Hex,
): bigint {
  const left = view.credits - view.thawingCredits;
  const account = ledger.account(payer);
  if (!account) return left;
  const consumed = view.consumedTotal + account.opened - view.openedTotal;
  const own = ledger.lane(payer, lane);
  const elsewhere = account.prepaid - (own ? prepaid(own) : 0n);
  return left + consumed - account.charged - account.reserved - elsewhere;
}

/** What is counted, and what of it is held for calls that have not come. */
export interface Book {
  ledger: Ledger;
  ahead: Ahead;
}

/** What a call may take: what nobody holds, and what is held for its like. */
export function availableFor(
  { payer, lane }: Bill,
  view: PayerView,
  { ledger, ahead }: Book,
): bigint {
  return available(view, payer, ledger, lane) + ahead.ofPayer(payer);
}

/** Credits of the bill's lane that are used or held, for whichever call. */
function countOn({ payer, lane: id }: Bill, view: PayerView, ledger: Ledger): bigint {
  const lane = ledger.lane(payer, id);
  return lane ? lane.charged + lane.reserved : view.consumed.get(id)!;
}

/** Of these, what calls use that have come: where the caller's next permit goes on. */
export function usedOn(bill: Bill, view: PayerView, { ledger, ahead }: Book): bigint {
  return countOn(bill, view, ledger) - ahead.onLane(bill.payer, bill.lane);
}

/** How many credits more can be held beside all that are. */
export function roomFor(bill: Bill, view: PayerView, ledger: Ledger): bigint {
  const { payer, lane, permit } = bill;
  const covered = permit.credits - countOn(bill, view, ledger);
  const left = available(view, payer, ledger, lane);
  return covered < left ? covered : left;
}

/**
 * Lets a no carry the lane's count, so that a client that lost its state can go on. Only for a
 * caller whose signature on the lane was found good.
 */
export function correcting<T>(bill: Bill, view: PayerView, book: Book, check: () => T): T {
  try {
    return check();
  } catch (error) {
    const isCorrectable = error instanceof KhachapuriError && error.code === "payment_required";
    if (!isCorrectable || bill.source !== "caller") throw error;
    const cumulative = String(usedOn(bill, view, book));
    throw new KhachapuriError(error.code, error.shortMessage, {
      hints: error.hints,
      data: { ...error.data, lane: bill.lane, cumulative },
    });
  }
}

export function assertPrices(bill: Bill, view: PayerView): void {
  if (bill.permit.price < bill.price) {
    throw tooDear(bill, `the permit allows ${formatUsdc(bill.permit.price)} USDC a credit`);
  }
  if (view.credits > 0n && view.pricePerCredit < bill.price) {
    throw tooDear(bill, `the allowance is at ${formatUsdc(view.pricePerCredit)} USDC a credit`);
  }
}

function tooDear(bill: Bill, message: string): KhachapuriError {
  return refusal(bill, message, `one credit costs ${formatUsdc(bill.price)} USDC here`);
}

export function assertLane(bill: Bill, view: PayerView, book: Book): void {
  const lane = book.ledger.lane(bill.payer, bill.lane);
  if (lane?.refused) {
    throw refusal(bill, `the escrow refused to settle this lane (${lane.refused})`, "use another");
  }
  if (usedOn(bill, view, book) < bill.permit.credits) return;
  throw refusal(bill, "the permit is used up", "sign one for more credits on the same lane");
}

export function assertAvailable(bill: Bill, view: PayerView, book: Book): void {
  if (availableFor(bill, view, book) > 0n) return;
  throw refusal(bill, "the payer has no credits left with this provider", "allow more credits");
}

/** Only the payer itself is told what to do about its money. */
function refusal(bill: Bill, message: string, hint: string): KhachapuriError {
  if (bill.source === "caller") {
    return new KhachapuriError("payment_required", message, { hints: [hint] });
  }
  return new KhachapuriError("payment_required", "the owner's credits do not cover this call", {
    hints: [`owner: ${message}; ${hint}`, "caller: pay yourself with a permit of your own"],
  });
}

/**
 * The newest permit is the one to settle with: it covers the count that it was accepted at and so
 * everything before, its signer is today's, and its deadline leaves time to settle. An older one
 * with more credits may have neither.
 * @throws KhachapuriError `payment_required` when earlier calls, not settled yet, cost more
 */
export function assertCoversLane(bill: Bill, lane: Lane): void {
  const dearest = lane.segments.reduce(
    (most, { credits, price }) => credits > lane.settled && price > most ? price : most,
    0n,
  );
  if (bill.permit.price >= dearest) return;
  const message = `earlier calls on this lane cost ${formatUsdc(dearest)} USDC and are not settled`;
  throw refusal(bill, message, "sign a permit for at least that price, or use another lane");
}

/** Every lane that is not settled is a row of the next batch, and every lane is memory. */
export function assertRoom(bill: Bill, lane: Lane | undefined, ledger: Ledger): void {
  if (lane) return;
  const lanes = ledger.account(bill.payer)?.lanes.size ?? 0;
  if (lanes < PAYER_LANES_MAX) return;
  throw refusal(
    bill,
    `a payer has at most ${PAYER_LANES_MAX} lanes with a provider`,
    "use one of the lanes that you have",
  );
}

/**
 * The deposit that one's first call to a provider may bring along. Whoever holds two of them can
 * have both mined, so one is sent again until its time is over, and the sum of all that were ever
 * signed is bounded.
 */
import { signDepositIn } from "../../../lib/chain/onboarding.ts";
import { formatUsdc } from "../../../lib/chain/usdc.ts";
import type { DepositAuthorization } from "../../../lib/deposit_authorization.ts";
import type { Book } from "./book.ts";
import type { GoodOffer } from "./offer.ts";
import type { Settings } from "./settings.ts";

/** A deposit that nobody relayed in this time is void, seconds. */
const LIFETIME_SECONDS = 600n;

/** What may be brought along to an offer's provider, or why nothing is. */
export type DepositPlan =
  | { readonly again: DepositAuthorization }
  | { readonly amount: bigint; readonly credits: bigint }
  | { readonly fault: string | null };

/** Decides without signing. The fault is null where no deposit is wished for or none is relayed. */
export function planDeposit(
  { deposit: wish, now }: Settings,
  book: Pick<Book, "deposit" | "deposited">,
  offer: Omit<GoodOffer, "credits">,
): DepositPlan {
  if (wish === null || offer.depositMinimum === undefined) return { fault: null };
  const before = book.deposit(keyOf(offer));
  const isOpen = before !== null && BigInt(Math.floor(now() / 1000)) < before.validBefore;
  if (isOpen) return { again: before };
  const credits = offer.pricePerCredit === 0n ? 0n : wish.amount / offer.pricePerCredit;
  const locked = credits * offer.pricePerCredit;
  if (locked < offer.depositMinimum || credits === 0n) {
    const least = formatUsdc(offer.depositMinimum);
    return { fault: `the provider relays no deposit of less than ${least} USDC` };
  }
  if (book.deposited + wish.amount > wish.total) {
    return {
      fault: `${formatUsdc(book.deposited)} USDC were deposited; deposit.total allows no more`,
    };
  }
  return { amount: wish.amount, credits };
}

/** Signs what was planned, and has it noted; it counts before it can be sent. */
export async function signPlanned(
  { account, now }: Settings,
  book: Book,
  offer: GoodOffer,
  plan: Extract<DepositPlan, { amount: bigint }>,
): Promise<DepositAuthorization> {
  const { known, payTo: provider, pricePerCredit } = offer;
  const deposit = await signDepositIn(known.usdc, account, {
    escrow: known.escrow,
    provider,
    pricePerCredit,
    lifetimeSeconds: LIFETIME_SECONDS,
    now,
    ...plan,
  });
  book.noteDeposit(keyOf(offer), deposit);
  return deposit;
}

/** An offer's provider in its escrow. */
export function keyOf({ known, payTo: provider }: Pick<GoodOffer, "known" | "payTo">) {
  return { chainId: known.chainId, escrow: known.escrow, provider };
}

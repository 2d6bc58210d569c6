/**
 * Paying for a call: signs a permit for the lane's next credit, or for as many as the run may take.
 * A provider that has charged more on the lane than we know says so, and we sign again from there,
 * as far as it proves that or may be believed: what we sign for, it can charge.
 */
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../chain/client.ts";
import { type SignedPayment, signPayment } from "../chain/payment.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { creditsText } from "../credits_text.ts";
import { KhachapuriError } from "../errors.ts";
import { CORRECTIONS_MAX } from "../limits.ts";
import type { LaneCount } from "../lane_count.ts";
import {
  type CreditsOffer,
  decodePaymentRequired,
  decodePaymentResponse,
  encodePaymentHeader,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
} from "../payment_header.ts";
import type { UnsignedPermit } from "../permit.ts";
import { LaneClaims } from "./lane_claims.ts";
import type { LaneKey, PermitBook } from "./permit_book.ts";
import { standingDeposit } from "./standing_deposit.ts";

/** A deposit to bring along when the allowance has nothing left. */
export interface DepositWish {
  /** USDC base units. */
  amount: bigint;
  credits: bigint;
}

/** What is looked at in an answer; a `Response` has it. */
export interface Answered {
  readonly status: number;
  readonly headers: Pick<Headers, "get">;
  readonly body: ReadableStream | null;
}

export interface PaidCallOptions<A extends Answered> {
  account: LocalAccount;
  key: LaneKey;
  usdc: Address;
  /** What one credit may cost, USDC base units. */
  price: bigint;
  /** How many the run may take. */
  credits: bigint;
  book: PermitBook;
  deposit: DepositWish | null;
  /** Makes the call with this value of PAYMENT-SIGNATURE. */
  send(header: string): Promise<A>;
  /** How long to wait until the provider sees what the chain shows already, ms. */
  waitMs: number;
  /** Called with what is waited for. */
  onWait?: (what: string) => void;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

export interface PaidCall<A extends Answered> {
  response: A;
  paid: UnsignedPermit;
  /** Whether a signed deposit went along with what was answered. */
  hasDeposited: boolean;
}

/** Seconds until a permit's deadline, at least: one that leaks is worth nothing a day later. */
const PERMIT_LIFE_SECONDS = 86_400n;
/** Up to so many more: of calls at the same time one's used-up permit proves its own. */
const PERMIT_LIFE_MORE_SECONDS = 3_600n;
/** Between two attempts at a provider that does not see the allowance yet, ms. */
const WAIT_MS = 1_000;

/**
 * Makes one paid call.
 * @throws KhachapuriError `payment_required` when the provider claims to have charged more than we
 * would sign for, or fewer credits are left than a long run may take; `invalid_input` for more than
 * any run of the deployment takes; `access_denied`, `chain_unavailable`
 */
export async function payAndSend<A extends Answered>(
  chain: Chain,
  options: PaidCallOptions<A>,
): Promise<PaidCall<A>> {
  const { account: { address: signer }, key, price, credits, book, now } = options;
  const deadline = now() + options.waitMs;
  const claims = new LaneClaims({ key, signer, price, book, now });
  let charged = await book.charged(key);
  if (credits > 1n) {
    const asked = await askFirst(chain, options, claims, charged);
    if (typeof asked !== "bigint") return asked;
    charged = asked;
  }
  let deposit = options.deposit;
  for (let corrections = 0;;) {
    const signed = await sign(chain, options, { charged, credits });
    const isCovered = creditsLeft(signed, credits) >= credits;
    // Whoever gets hold of a signed deposit can submit it: sign one only when credits are lacking.
    const brought = deposit && !isCovered
      ? { deposit: await depositFor(chain, options, deposit) }
      : {};
    if (credits > 1n && deposit === null) assertAllowed(signed, credits);
    const { permit } = signed.payment;
    await claims.noteSigned(permit, permit.credits - credits);
    const response = await options.send(encodePaymentHeader({ ...signed.payment, ...brought }));
    const offer = refusalOffer(response, key);
    if (!offer) {
      await noteAnswer(options, response, permit.credits);
      return { response, paid: permit, hasDeposited: "deposit" in brought };
    }
    if ("deposit" in brought) deposit = null;
    const claim = correctionIn(offer, permit);
    if (claim && corrections++ < CORRECTIONS_MAX) {
      await response.body?.cancel();
      charged = await claims.accept(claim, signed.allowance);
    } else if (isCovered && now() < deadline) {
      await response.body?.cancel();
      options.onWait?.("the provider does not see the credits yet");
      await options.sleep(WAIT_MS);
    } else return { response, paid: permit, hasDeposited: false };
  }
}

/**
 * Asks with a permit for no credit how many a run of the deployment takes, and how far the lane is
 * charged: a permit for many credits that begins too low is taken, for fewer than are wanted.
 * @returns the count to go on from; the answer, if there is one that needs no paying
 * @throws KhachapuriError as `payAndSend`
 */
async function askFirst<A extends Answered>(
  chain: Chain,
  options: PaidCallOptions<A>,
  claims: LaneClaims,
  charged: bigint,
): Promise<bigint | PaidCall<A>> {
  const { key, credits } = options;
  const { payment, allowance } = await sign(chain, options, { charged: 0n, credits: 0n });
  await claims.noteSigned(payment.permit, charged);
  const response = await options.send(encodePaymentHeader(payment));
  const offer = refusalOffer(response, key);
  if (!offer) return { response, paid: payment.permit, hasDeposited: false };
  await response.body?.cancel();
  // Older providers know of no more than one, and do not say it.
  assertTaken(credits, offer.creditsMax ?? 1);
  const { lane } = offer;
  if (lane?.id !== key.lane || lane.cumulative <= charged) return charged;
  return await claims.accept(lane, allowance);
}

/** @throws KhachapuriError `invalid_input`: nothing is signed for what no run takes */
function assertTaken(credits: bigint, most: number): void {
  if (credits <= BigInt(most)) return;
  const message = `a run of this deployment takes ${
    creditsText(BigInt(most))
  } at most, not ${credits}`;
  throw new KhachapuriError("invalid_input", message, {
    hints: [most === 1 ? "call without --credits" : `--credits ${most}`],
    data: { creditsMax: most },
  });
}

/** @throws KhachapuriError `payment_required` where a run could not take all of its credits */
function assertAllowed(signed: SignedPayment, credits: bigint): void {
  const { allowance, payment: { permit: { price, provider } } } = signed;
  const left = creditsLeft(signed, credits);
  // Of an allowance at a lower price the provider tells.
  if (left >= credits || allowance.pricePerCredit < price) return;
  const message = `${creditsText(left)} left with this provider, and the run may take ${credits}`;
  const wanted = allowance.credits + credits - left;
  throw new KhachapuriError("payment_required", message, {
    hints: [
      `khachapuri allow ${provider} --credits ${wanted} --price ${formatUsdc(price)}`,
      ...(left > 0n ? [`or call with --credits ${left}`] : []),
    ],
  });
}

async function sign(
  chain: Chain,
  options: PaidCallOptions<Answered>,
  { charged, credits }: { charged: bigint; credits: bigint },
): Promise<SignedPayment> {
  const { account, key, usdc, price, book, now } = options;
  const { escrow, provider, payer, lane } = key;
  const least = BigInt(Math.floor(now() / 1000)) + PERMIT_LIFE_SECONDS;
  const deadline = await book.nextDeadline(key, least, least + PERMIT_LIFE_MORE_SECONDS);
  return await signPayment(chain, account, {
    escrow,
    usdc,
    provider,
    payer,
    lane,
    price,
    charged,
    credits,
    deadline,
  });
}

/**
 * Credits allowed that neither thaw nor are charged on this lane and await settlement.
 * @param credits that the permit is good for
 */
function creditsLeft(
  { allowance, settled, payment: { permit } }: SignedPayment,
  credits: bigint,
): bigint {
  if (allowance.pricePerCredit < permit.price) return 0n;
  const left = allowance.credits - allowance.thawingCredits - (permit.credits - credits - settled);
  return left > 0n ? left : 0n;
}

function depositFor(chain: Chain, options: PaidCallOptions<Answered>, wish: DepositWish) {
  const { account, key, usdc, price: pricePerCredit, book, now } = options;
  return standingDeposit(chain, account, { key, usdc, pricePerCredit, book, now, ...wish });
}

/** The provider's own offer in a 402 (a program can't print one); null when it is no refusal. */
function refusalOffer(response: Answered, { provider }: LaneKey): CreditsOffer | null {
  const header = response.headers.get(PAYMENT_REQUIRED_HEADER);
  if (response.status !== 402 || header === null) return null;
  const { offers } = decodePaymentRequired(header);
  return offers.find(({ payTo }) => payTo === provider) ?? null;
}

/** What the provider says of the permit's lane, if that is why it does not take the permit. */
function correctionIn({ lane }: CreditsOffer, permit: UnsignedPermit): LaneCount | null {
  return lane?.id === permit.lane && lane.cumulative >= permit.credits ? lane : null;
}

/** Remembers what the answer says is charged, never beyond what we signed for. */
async function noteAnswer(
  { book, key }: PaidCallOptions<Answered>,
  response: Answered,
  signedFor: bigint,
): Promise<void> {
  const header = response.headers.get(PAYMENT_RESPONSE_HEADER);
  if (header === null) return;
  const { cumulativeCredits: charged } = decodePaymentResponse(header);
  await book.noteCharged(key, charged < signedFor ? charged : signedFor);
}

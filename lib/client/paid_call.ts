/**
 * Paying for a call: signs a permit for the lane's next credit. A provider that has charged more on
 * the lane than we know says so, and we sign again from there, but only so much further: what we
 * sign for, it can charge.
 */
import type { Address, LocalAccount } from "viem";
import type { Chain } from "../chain/client.ts";
import { signDeposit } from "../chain/onboarding.ts";
import { type SignedPayment, signPayment } from "../chain/payment.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { KhachapuriError } from "../errors.ts";
import { CORRECTION_AMOUNT_MAX, CORRECTIONS_MAX } from "../limits.ts";
import {
  type CreditsOffer,
  decodePaymentRequired,
  decodePaymentResponse,
  encodePaymentHeader,
  PAYMENT_REQUIRED_HEADER,
  PAYMENT_RESPONSE_HEADER,
} from "../payment_header.ts";
import type { UnsignedPermit } from "../permit.ts";
import type { LaneKey } from "./permits_file.ts";

/** How far lanes are charged, remembered beyond this process. */
export interface KnownLanes {
  charged(key: LaneKey): Promise<bigint>;
  noteCharged(key: LaneKey, charged: bigint): Promise<void>;
}

/** A deposit to bring along when the allowance has nothing left. */
export interface DepositWish {
  /** USDC base units. */
  amount: bigint;
  credits: bigint;
}

export interface PaidCallOptions {
  account: LocalAccount;
  key: LaneKey;
  usdc: Address;
  /** What one credit may cost, USDC base units. */
  price: bigint;
  lanes: KnownLanes;
  deposit: DepositWish | null;
  /** Makes the call with this value of PAYMENT-SIGNATURE. */
  send(header: string): Promise<Response>;
  /** How long to wait until the provider sees what the chain shows already, ms. */
  waitMs: number;
  /** Called with what is waited for. */
  onWait?: (what: string) => void;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

export interface PaidCall {
  response: Response;
  paid: UnsignedPermit;
}

/** Seconds until a permit's deadline: one that leaks is worth nothing a day later. */
const PERMIT_LIFE_SECONDS = 86_400n;
/** A deposit that nobody relayed in this time is void, seconds. */
const DEPOSIT_LIFE_SECONDS = 600n;
/** Between two attempts at a provider that does not see the allowance yet, ms. */
const WAIT_MS = 1_000;

/**
 * Makes one paid call.
 * @throws KhachapuriError `payment_required` when the provider claims to have charged more than we
 * would sign for; `access_denied`, `chain_unavailable`
 */
export async function payAndSend(chain: Chain, options: PaidCallOptions): Promise<PaidCall> {
  const { key, lanes, now } = options;
  const deadline = now() + options.waitMs;
  let charged = await lanes.charged(key);
  let deposit = options.deposit;
  for (let corrections = 0;;) {
    const signed = await sign(chain, options, charged);
    // Whoever gets hold of a signed deposit can submit it: sign one only when no credits are left.
    const brought = deposit && creditsLeft(signed) <= 0n
      ? { deposit: await depositFor(chain, options, deposit) }
      : {};
    const { permit } = signed.payment;
    const response = await options.send(encodePaymentHeader({ ...signed.payment, ...brought }));
    const offer = refusalOffer(response, key);
    if (!offer) {
      await noteAnswer(options, response, permit.credits);
      return { response, paid: permit };
    }
    if ("deposit" in brought) deposit = null;
    const claimed = offer.lane?.id === key.lane ? offer.lane.cumulative : null;
    if (claimed !== null && claimed >= permit.credits && corrections++ < CORRECTIONS_MAX) {
      assertBelievable(options.price, claimed - (permit.credits - 1n));
      charged = claimed;
    } else if (creditsLeft(signed) > 0n && now() < deadline) {
      options.onWait?.("the provider does not see the credits yet");
      await options.sleep(WAIT_MS);
    } else return { response, paid: permit };
    await response.body?.cancel();
  }
}

function sign(chain: Chain, options: PaidCallOptions, charged: bigint): Promise<SignedPayment> {
  const { account, key, usdc, price, now } = options;
  const { escrow, provider, payer, lane } = key;
  return signPayment(chain, account, {
    escrow,
    usdc,
    provider,
    payer,
    lane,
    price,
    charged,
    credits: 1n,
    deadline: BigInt(Math.floor(now() / 1000)) + PERMIT_LIFE_SECONDS,
  });
}

/** Credits allowed that neither thaw nor are charged on this lane and await settlement. */
function creditsLeft({ allowance, settled, payment: { permit } }: SignedPayment): bigint {
  if (allowance.pricePerCredit < permit.price) return 0n;
  return allowance.credits - allowance.thawingCredits - (permit.credits - 1n - settled);
}

function depositFor(chain: Chain, options: PaidCallOptions, { amount, credits }: DepositWish) {
  const { account, usdc, price: pricePerCredit, now, key: { escrow, provider } } = options;
  return signDeposit(chain, account, {
    escrow,
    usdc,
    provider,
    amount,
    credits,
    pricePerCredit,
    now,
    lifetimeSeconds: DEPOSIT_LIFE_SECONDS,
  });
}

/** The provider's own offer in a 402 (a program can't print one); null when it is no refusal. */
function refusalOffer(response: Response, { provider }: LaneKey): CreditsOffer | null {
  const header = response.headers.get(PAYMENT_REQUIRED_HEADER);
  if (response.status !== 402 || header === null) return null;
  const { offers } = decodePaymentRequired(header);
  return offers.find(({ payTo }) => payTo === provider) ?? null;
}

/**
 * @param price of one credit, USDC base units
 * @param jump credits that the provider claims beyond those that we know to be charged
 * @throws KhachapuriError `payment_required` when they are worth more than CORRECTION_AMOUNT_MAX
 */
export function assertBelievable(price: bigint, jump: bigint): void {
  const amount = jump * price;
  if (amount <= CORRECTION_AMOUNT_MAX) return;
  const worth = `${formatUsdc(amount)} USDC`;
  throw new KhachapuriError(
    "payment_required",
    `the provider says that ${jump} more credits (${worth}) were used on this lane than we know of`,
    { hints: ["take another lane with --lane-label TEXT", "or wait until they are settled"] },
  );
}

/** Remembers what the answer says is charged, never beyond what we signed for. */
async function noteAnswer(
  { lanes, key }: PaidCallOptions,
  response: Response,
  signedFor: bigint,
): Promise<void> {
  const header = response.headers.get(PAYMENT_RESPONSE_HEADER);
  if (header === null) return;
  const { cumulativeCredits: charged } = decodePaymentResponse(header);
  await lanes.noteCharged(key, charged < signedFor ? charged : signedFor);
}

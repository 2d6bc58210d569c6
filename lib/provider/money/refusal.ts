/** Why a bill is not paid, in words: the whole reason to the payer, less to everybody else. */
import type { Address, Hex } from "viem";
import { formatUsdc } from "../../chain/usdc.ts";
import type { CidText } from "../../cid.ts";
import { creditsCount, creditsText, thawingText } from "../../credits_text.ts";
import { KhachapuriError } from "../../errors.ts";
import type { LaneCount, LaneProof } from "../../lane_count.ts";
import { PAYER_LANES_MAX } from "../../limits.ts";
import { UINT64_MAX } from "../../permit.ts";
import { timeText } from "../../time_text.ts";
import type { PayerView, Refusal } from "../ledger/judge.ts";
import type { CreditsBill } from "./bill.ts";
import type { OwnerPrices } from "./owner_prices.ts";

/** A permit that is not signed by whom the escrow would believe. */
export interface WrongSigner {
  readonly reason: "wrong_signer";
  /** Who must sign. */
  readonly signer: Address;
}

/** A bill that is not paid. */
export interface No {
  readonly payable: false;
  readonly refusal: Refusal | WrongSigner;
  /** Where the lane's next permit has to go on; absent while nobody proved to be the payer. */
  readonly used?: bigint;
  /** A permit of the lane that is used up. */
  readonly proof?: LaneProof;
  /** Credits of the payer that calls have used or hold and the escrow has not taken. */
  readonly unsettled?: bigint;
}

export interface Wording {
  escrow: Address;
  /** Unix seconds. */
  now: bigint;
  /** Seconds that a permit must outlive a call. */
  settleWindow: bigint;
  ownerPrices: Pick<OwnerPrices, "before" | "since">;
  /** What is allowed, as the bill was judged by it. */
  allowance: Pick<PayerView, "credits" | "thawingCredits" | "thawEnd" | "pricePerCredit">;
  /** The least that a relayed deposit locks, USDC base units; null where none is relayed. */
  depositMinimum: bigint | null;
}

/** Of a bill, what its refusal depends on. */
export type ToldBill = Pick<CreditsBill, "source" | "price" | "permit"> & {
  /** The deployment's; absent where no call is asked for. */
  readonly cid?: CidText;
};

/** Whether the lane's count is told: its owner's is nobody else's business. */
export function isTold({ source }: Pick<ToldBill, "source">, { used }: No): boolean {
  return source === "caller" && used !== undefined;
}

/** The error for a bill that is not paid. */
export function refusalError(bill: ToldBill, no: No, wording: Wording): KhachapuriError {
  const { refusal } = no;
  if (refusal.reason === "wrong_signer") return wrongSigner(refusal, wording);
  if (isOurs(refusal)) return cannotSettle(refusal);
  const { message, hint } = wordsFor(bill, refusal, wording);
  if (bill.source === "owner" && refusal.reason !== "permit_expiring") {
    return new KhachapuriError("payment_required", "the owner's credits do not cover this call", {
      hints: [
        `owner: ${message}; ${hint}`,
        ...renewalHints(bill, refusal, wording),
        "caller: pay yourself with a permit of your own",
      ],
    });
  }
  // The count lets a client that lost its state go on.
  return new KhachapuriError("payment_required", `${message}${standingText(bill, no, wording)}`, {
    hints: [hint, ...callersHints(bill, refusal, wording)],
    lane: isTold(bill, no) ? laneCount(bill, no) : undefined,
  });
}

type Ours = Extract<Refusal, { readonly retryAfterSeconds: number }>;

function laneCount({ permit }: ToldBill, { used, proof, unsettled }: No): LaneCount {
  return {
    id: permit.lane,
    cumulative: used!,
    ...(proof ? { proof } : {}),
    ...(unsettled === undefined ? {} : { unsettled }),
  };
}

/** The call is not paid, and the payer's money has moved: it is told so. */
export function depositedInVain(refusal: KhachapuriError, transaction: Hex): KhachapuriError {
  return refusal.toldWith({
    hints: [`the deposit was mined and is yours: ${transaction}`, ...refusal.hints],
    data: { ...refusal.data, transaction },
  });
}

/** The escrow took a credit for a call, and no endpoint shows it. */
export function untraceable(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "what the escrow took cannot be read back", {
    retryAfterSeconds: 10,
    hints: ["the next call on this lane is prepaid"],
  });
}

/** What more credits, a dearer allowance or a newly named signer may change. */
const MENDABLE: ReadonlySet<string> = new Set([
  "no_credits",
  "not_taken",
  "allowance_price",
  "dust_lanes",
  "wrong_signer",
]);

/** Whether a deposit may change the answer. */
export function isMendable({ refusal: { reason } }: No): boolean {
  return MENDABLE.has(reason);
}

/** Nothing is wrong with who pays: what it would owe could not be settled in time. */
function isOurs(refusal: Refusal): refusal is Ours {
  return "retryAfterSeconds" in refusal;
}

function cannotSettle({ reason, retryAfterSeconds }: Ours): KhachapuriError {
  const isLimit = reason === "operator_limit";
  const message = isLimit
    ? "the provider's operator can settle no more today"
    : "the provider's settlement is behind";
  const remedy = isLimit
    ? "provider: raise its daily cap or expiry: khachapuri operator"
    : "a lane on which calls are still unsettled is served";
  return new KhachapuriError("overloaded", message, {
    retryAfterSeconds,
    hints: ["nothing was charged", remedy],
  });
}

/** Before the payer is proved nothing is told but who must sign. */
export function wrongSigner(
  { signer }: WrongSigner,
  { escrow }: Pick<Wording, "escrow">,
): KhachapuriError {
  return new KhachapuriError("payment_required", "the permit's signature is not the payer's", {
    hints: [`it must be signed by ${signer} for escrow ${escrow}`],
  });
}

/** What another permit, or an allowance at another price, makes good. */
const REPRICED: ReadonlySet<string> = new Set(["permit_epoch", "permit_price", "allowance_price"]);

/**
 * The one command of the owner's that mends it, where there is one: a permit alone does not where
 * the allowance would be refused next.
 */
function renewalHints(bill: ToldBill, { reason }: Refusal, { allowance }: Wording): string[] {
  if (!REPRICED.has(reason)) return [];
  const { credits, thawingCredits } = allowance;
  if (credits > 0n && !isAllowedLess(bill, allowance)) {
    const renew = "owner: khachapuri permit CID renews it, URL and all stay";
    return [reason === "permit_price" ? `${renew}; allow alone does not` : renew];
  }
  // How many credits is not guessed where there are none, or some are on their way back.
  const number = credits === 0n || thawingCredits > 0n ? " --credits N" : "";
  return [`owner: khachapuri allow NAME --reprice${number} allows it and renews your permits`];
}

/** Nothing is left to pay with. */
const LACKING: ReadonlySet<string> = new Set(["no_credits", "not_taken"]);

/** What a caller does whose own permit is for less: no deployment's earlier price is a caller's. */
function callersHints(bill: ToldBill, { reason }: Refusal, wording: Wording): string[] {
  const { permit, price } = bill;
  const { allowance } = wording;
  const terms = `${permit.provider} --credits N --price ${formatUsdc(price)}`;
  const allow = isAllowedLess(bill, allowance)
    ? [`khachapuri allow ${terms} allows that much`]
    : [];
  if (reason === "allowance_price") return allow;
  if (LACKING.has(reason)) return lackingHints(bill, wording);
  if (reason !== "permit_price") return [];
  const which = "callers pay what is asked now, at every deployment";
  return [...allow, `khachapuri permit ${terms} signs one that pays; ${which}`];
}

/** Where the credits are of who has none left: to who proved to be the payer alone. */
function standingText(bill: ToldBill, no: No, { allowance, now }: Wording): string {
  if (!isTold(bill, no) || !LACKING.has(no.refusal.reason)) return "";
  const { unsettled = 0n } = no;
  const parts = [
    ...(unsettled > 0n ? [`${creditsCount(unsettled)} unsettled`] : []),
    ...(allowance.thawingCredits > 0n ? [thawingText(allowance, now)] : []),
  ];
  return parts.length === 0 ? "" : `: ${parts.join(", ")}`;
}

/** What helps depends on a wallet: nobody looks into one for whoever shows a key. */
function lackingHints({ permit: { payer, provider } }: ToldBill, wording: Wording): string[] {
  const { allowance: { credits, thawingCredits, pricePerCredit }, depositMinimum } = wording;
  const kept = `khachapuri allow ${provider} --credits ${credits}`;
  return [
    ...(thawingCredits > 0n
      ? [`${kept} --price ${formatUsdc(pricePerCredit)} keeps what you revoked`]
      : []),
    "with too little in the escrow, first: khachapuri deposit USDC",
    ...(depositMinimum === null ? [] : [
      "without ETH, in place of both: khachapuri onboard NAME " +
      `--amount ${formatUsdc(depositMinimum)}, or more, with this provider's name`,
    ]),
    `khachapuri balance says what ${payer} has, and which of them helps`,
  ];
}

/** Whether credits are allowed, but for less than this one costs. */
function isAllowedLess({ price }: ToldBill, allowance: Wording["allowance"]): boolean {
  return allowance.credits > 0n && allowance.pricePerCredit < price;
}

interface Words {
  message: string;
  hint: string;
}

function wordsFor(
  bill: ToldBill,
  refusal: Exclude<Refusal, Ours>,
  wording: Wording,
): Words {
  const { permit } = bill;
  switch (refusal.reason) {
    case "permit_expiring":
      return {
        message: "the permit's deadline has passed or is too near",
        hint: `sign one that lives at least ${wording.settleWindow} s longer`,
      };
    case "permit_epoch":
      return {
        message: permit.epoch > refusal.epoch
          ? "the payer has not begun this permit's epoch, as far as the chain is certain"
          : "the payer has taken the permits of this epoch back",
        hint: `sign one of epoch ${refusal.epoch}`,
      };
    case "permit_price":
      return permitTooCheap(refusal.allowed, bill, wording);
    case "allowance_price":
      return tooDear("allowance is at", refusal.allowed, bill, wording);
    case "lane_refused":
      return {
        message: `the escrow refused to settle this lane (${refusal.because})`,
        hint: `${cureOf(refusal)}use another`,
      };
    case "permit_used":
      return {
        message: "the permit is used up",
        hint: "sign one for more credits on the same lane",
      };
    case "no_credits":
    case "not_taken":
      return {
        message: `${payerOf(bill)} has no credits left with this provider`,
        hint: allowMore(bill, wording),
      };
    case "earlier_dearer": {
      const cost = formatUsdc(refusal.price);
      return {
        message: `earlier calls on this lane cost ${cost} USDC and are not settled`,
        hint: "sign a permit for at least that price, or use another lane",
      };
    }
    case "earlier_longer":
      return {
        message: "what is not settled on this lane was promised by permits that last longer",
        hint: `sign one with ${deadlineText(refusal)}, use another lane, or wait until it is`,
      };
    case "too_many_lanes":
      return {
        message: `${refusal.lanes} lanes are not settled, and a payer has at most ` +
          `${PAYER_LANES_MAX} of these with a provider`,
        hint: "use one of them, or wait: a lane that is settled makes room for another",
      };
    case "dust_lanes": {
      const [locked, needed] = [refusal.locked, refusal.needed].map(formatUsdc);
      return {
        message:
          `to settle one lane more beside ${refusal.lanes} is worth it with ${needed} USDC ` +
          `locked, and ${locked} USDC are`,
        hint: "lock more, or use one of your lanes",
      };
    }
  }
}

/** As `khachapuri permit --deadline` takes it. */
function deadlineText({ deadline }: { readonly deadline: bigint }): string {
  return `deadline ${deadline}${deadline === UINT64_MAX ? " (never)" : ""}`;
}

/** An owner's address is not told to its guests. */
function payerOf({ source, permit }: ToldBill): string {
  return source === "owner" ? "the payer" : permit.payer;
}

/** A caller who has some allowed is told that what is allowed counts those. */
function allowMore({ source, price, permit }: ToldBill, { allowance: { credits } }: Wording) {
  const allow = `khachapuri allow ${permit.provider} --credits N --price ${formatUsdc(price)}`;
  if (source === "owner") {
    return `${allow}, with this provider's name onboard where there is no ETH`;
  }
  return credits === 0n
    ? allow
    : `${allow}, with an N above the ${creditsText(credits)} that stand`;
}

/** What makes the debts of a refused lane good, as the beginning of a hint. */
function cureOf({ because, dearest }: Extract<Refusal, { reason: "lane_refused" }>): string {
  switch (because) {
    case "PermitExpired":
      return "sign a permit on it with a later deadline, or ";
    case "WrongEpoch":
      return "sign a permit on it of the epoch in force, or ";
    case "InvalidSignature":
      return "sign a new permit on it, or ";
    case "PermitExceeded":
      return "sign a permit on it for more credits, or ";
    case "PriceTooHigh":
      return `allow and sign at least ${formatUsdc(dearest)} USDC a credit on it, or `;
    case "InsufficientCredits":
      return "allow more credits, or ";
    default:
      return "";
  }
}

/** Told with the allowance where the next refusal would be for that. */
function permitTooCheap(allowed: bigint, bill: ToldBill, wording: Wording): Words {
  const words = tooDear("permit allows", allowed, bill, wording);
  const { allowance } = wording;
  if (!isAllowedLess(bill, allowance)) return words;
  const also = `and the allowance is at ${formatUsdc(allowance.pricePerCredit)}`;
  return { ...words, message: `${words.message}, ${also}` };
}

function tooDear(
  which: string,
  allowed: bigint,
  { source, price, cid }: ToldBill,
  { ownerPrices }: Wording,
): Words {
  const before = source === "owner" && cid !== undefined ? ownerPrices.before(cid) : null;
  const since = ownerPrices.since();
  const more = before
    ? `; this deployment kept ${formatUsdc(before.price)} USDC until ${timeText(before.until)}`
    : since === null
    ? ""
    : ` since ${timeText(since)}`;
  return {
    message: `the ${which} ${formatUsdc(allowed)} USDC a credit`,
    hint: `one credit costs ${formatUsdc(price)} USDC here${more}`,
  };
}

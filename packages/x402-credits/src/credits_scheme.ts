/**
 * x402's client for the scheme `credits` (SchemeNetworkClient of `@x402/core` 2): answers an offer
 * with a cumulative permit, and learns from answers how far its lanes are charged.
 */
import { isAddress, isAddressEqual } from "viem";
import { chainText } from "../../../lib/chain/deployments.ts";
import { KhachapuriError } from "../../../lib/errors.ts";
import {
  chargeNoticeFromJson,
  CREDITS_SCHEME,
  type CreditsOffer,
  offersIn,
} from "../../../lib/payment_header.ts";
import { depositToJson } from "../../../lib/deposit_authorization.ts";
import { CALL_UNDERWAY_MS_MAX } from "../../../lib/limits.ts";
import { formatCaip2, parseCaip2 } from "../../../lib/caip.ts";
import { type Permit, permitFromJson, permitToJson, signPermit } from "../../../lib/permit.ts";
import type * as contract from "../index.d.ts";
import { Book } from "./book.ts";
import { ceilingOf, overCap } from "./caps.ts";
import { acceptClaim } from "./claims.ts";
import { keyOf, planDeposit, signPlanned } from "./deposit.ts";
import { endTurn, type Lane, noteCharged, takeBack, takeTurn } from "./lane.ts";
import { type GoodOffer, readOffer } from "./offer.ts";
import { escrowsOn, readSettings, type Settings } from "./settings.ts";

/** Permits end on the hour so much later, seconds: one that leaks is worth nothing by then. */
const PERMIT_LIFE_SECONDS = 86_400n;
/** So that the permits of an hour are ordered by their credits alone, and a provider keeps one. */
const HOUR_SECONDS = 3_600n;
/** The head of an answer may be this much later than its run's time limit, ms. */
const ANSWER_GRACE_MS = 60_000;
/** A provider with whom credits were lacking is not asked for that long, where another way is. */
const LACKING_MS = 60_000;

export class CreditsScheme implements contract.CreditsScheme {
  readonly scheme = CREDITS_SCHEME;
  readonly schemeHooks: contract.CreditsScheme["schemeHooks"];
  readonly findDefaultAsset: contract.CreditsScheme["findDefaultAsset"];
  readonly policy: contract.CreditsScheme["policy"];
  readonly #settings: Settings;
  readonly #opening: Promise<Book>;
  #book: Book | null = null;
  /** Providers with whom credits are lacking, and until when that is taken for true, Unix ms. */
  readonly #lacking = new Map<string, number>();
  /** Those that are sent a deposit, until one of their answers is paid. */
  readonly #toFund = new Set<string>();
  #funding: Promise<unknown> = Promise.resolve();
  #hasPolicy = false;
  /** Clients ask for the same asset several times in one call. */
  #refusedLast = "";

  constructor(account: contract.CreditsAccount, options: contract.CreditsOptions = {}) {
    this.#settings = readSettings(account, options);
    this.#opening = Book.open(this.#settings.payer, options.store ?? null);
    // Whoever pays hears of a store that can't be read.
    this.#opening.then((book) => void (this.#book = book), () => {});
    this.schemeHooks = { onPaymentResponse: (context) => this.#onPaymentResponse(context) };
    this.findDefaultAsset = (asset, network) => this.#findDefaultAsset(asset, network);
    this.policy = (_version, requirements) => this.#prefer(requirements);
  }

  async createPaymentPayload(
    x402Version: number,
    requirements: contract.Requirements,
    context: { maxAmountPerPayment?: string } = {},
  ): Promise<{ x402Version: number; payload: Record<string, unknown> }> {
    if (x402Version !== 2) {
      throw new KhachapuriError("invalid_input", "credits are paid by version 2 of x402");
    }
    const offer = readOffer(this.#settings, requirements, context.maxAmountPerPayment);
    const book = await this.#opening;
    const { lane, credits } = this.#takeTurn(book, offer);
    try {
      await book.save();
      const deposit = await this.#depositFor(book, offer);
      const permit = await this.#sign(offer, lane, credits);
      const payload = {
        type: "permit",
        permit: permitToJson(permit),
        ...(deposit ? { deposit: depositToJson(deposit) } : {}),
      };
      return { x402Version, payload };
    } catch (error) {
      endTurn(lane);
      takeBack(lane);
      throw error;
    }
  }

  async lanes(): Promise<contract.LaneReport[]> {
    const book = await this.#opening;
    return book.lanes.map(({ chainId, escrow, provider, id, price, signed, charged }) => {
      const network = formatCaip2(chainId);
      return { network, escrow, provider, lane: id, price, signed, charged };
    });
  }

  /** Nothing is awaited in here, so calls at the same time get turns one after the other. */
  #takeTurn(book: Book, offer: GoodOffer): { lane: Lane; credits: bigint } {
    const { caps, laneLabel, now } = this.#settings;
    const key = keyOf(offer);
    const lane = book.find(key, offer.pricePerCredit) ??
      book.lane(key, offer.pricePerCredit, laneLabel);
    const answerMs = offer.maxTimeoutSeconds * 1_000 + ANSWER_GRACE_MS;
    const credits = takeTurn(lane, {
      credits: offer.credits,
      isSingle: (offer.creditsMax ?? 1) === 1,
      ceiling: ceilingOf(caps, book, lane),
      now: now(),
      until: now() + Math.min(answerMs, CALL_UNDERWAY_MS_MAX),
    });
    if (credits === null) throw overCap(caps, book, lane);
    book.keep(lane);
    return { lane, credits };
  }

  async #sign(offer: GoodOffer, lane: Lane, credits: bigint): Promise<Permit> {
    const { account, payer, now, epochOf } = this.#settings;
    const { chainId, escrow, provider, id, price } = lane;
    const hour = BigInt(Math.floor(now() / 1_000)) / HOUR_SECONDS * HOUR_SECONDS;
    return await signPermit(account, offer.known, {
      payer,
      provider,
      lane: id,
      price,
      credits,
      deadline: hour + HOUR_SECONDS + PERMIT_LIFE_SECONDS,
      epoch: await epochOf({ chainId, escrow, payer, provider }),
    });
  }

  /** One after the other, as two signed deposits can both be mined. */
  #depositFor(book: Book, offer: GoodOffer) {
    if (!this.#toFund.has(textOf(keyOf(offer)))) return null;
    const made = this.#funding.then(async () => {
      const plan = planDeposit(this.#settings, book, offer);
      if ("fault" in plan) return null;
      if ("again" in plan) return plan.again;
      const deposit = await signPlanned(this.#settings, book, offer, plan);
      await book.save();
      return deposit;
    });
    this.#funding = made.catch(() => {});
    return made;
  }

  async #onPaymentResponse(
    context: contract.ResponseContext,
  ): Promise<void | { recovered: true }> {
    const book = await this.#opening;
    const permit = permitFromJson(context.paymentPayload.payload.permit);
    const [accepted] = offersIn([context.requirements], "accepted", "invalid_input");
    const lane = accepted && book.byId(keyIn(accepted), permit.lane);
    if (!lane) return;
    endTurn(lane);
    const { settleResponse, paymentRequired } = context;
    if (settleResponse?.success) {
      noteCharged(lane, chargedBy(settleResponse));
      this.#toFund.delete(textOf(lane));
    }
    if (settleResponse || !paymentRequired) return;
    takeBack(lane);
    return await this.#refused(book, lane, permit, context) ? { recovered: true } : undefined;
  }

  /** @returns whether another payment may be taken */
  async #refused(
    book: Book,
    lane: Lane,
    permit: Permit,
    { paymentPayload: { payload }, paymentRequired }: contract.ResponseContext,
  ): Promise<boolean> {
    const accepts = paymentRequired!.accepts;
    const offer = offersIn(accepts, "the refusal", "invalid_input")
      .find(({ payTo }) => isAddressEqual(payTo, lane.provider));
    const claim = offer?.lane;
    if (claim && claim.id === lane.id && claim.cumulative >= permit.credits) {
      await acceptClaim(this.#settings, book, lane, claim);
      return true;
    }
    const key = textOf(lane);
    if (this.#settings.deposit && offer && !("deposit" in payload)) {
      const known = escrowsOn(this.#settings, lane.chainId)
        .find(({ escrow }) => isAddressEqual(escrow, lane.escrow))!;
      const plan = planDeposit(this.#settings, book, { ...offer, known });
      if (!("fault" in plan)) {
        this.#toFund.add(key);
        return true;
      }
    }
    this.#lacking.set(key, this.#settings.now() + LACKING_MS);
    return this.#hasPolicy && accepts.some((each) => !isCredits(each));
  }

  #findDefaultAsset(asset: string, network: string) {
    const chainId = parseCaip2(network);
    const known = chainId === null ? undefined : escrowsOn(this.#settings, chainId)
      .find(({ usdc }) => usdc.verifyingContract.toLowerCase() === asset.toLowerCase());
    if (!known) return void this.#tellRefused(asset, chainId);
    return { asset: known.usdc.verifyingContract, decimals: 6, symbol: "USDC" };
  }

  /** Spend controls drop the offer then, with an error that knows nothing of escrows. */
  #tellRefused(asset: string, chainId: number | null): void {
    // A server's words, which may go to a terminal.
    if (chainId === null || !isAddress(asset, { strict: false })) return;
    const reason = `CreditsScheme: no escrow that you trust holds the token ${asset} on ` +
      `${
        chainText(chainId)
      }: nothing is signed for it; add its escrow to \`escrows\` if you know it`;
    if (reason === this.#refusedLast) return;
    this.#refusedLast = reason;
    this.#settings.onRefused(reason);
  }

  #prefer<R extends contract.Requirements>(requirements: R[]): R[] {
    this.#hasPolicy = true;
    const payable = requirements.filter((each) => !isCredits(each) || this.#wouldPay(each));
    // Where nothing else is left, the reason is told by who refuses.
    const left = payable.length > 0 ? payable : requirements;
    return [...left.filter(isCredits), ...left.filter((each) => !isCredits(each))];
  }

  #wouldPay(requirements: contract.Requirements): boolean {
    const book = this.#book;
    try {
      const offer = readOffer(this.#settings, requirements, undefined);
      const key = keyOf(offer);
      if ((this.#lacking.get(textOf(key)) ?? 0) > this.#settings.now()) return false;
      const lane = book?.find(key, offer.pricePerCredit);
      if (!book || !lane) return true;
      const ceiling = ceilingOf(this.#settings.caps, book, lane);
      return lane.charged + offer.credits <= ceiling;
    } catch (error) {
      if (error instanceof KhachapuriError) return false;
      throw error;
    }
  }
}

/** What an answer says is charged; 0 where that can't be read, as the answer is paid for. */
function chargedBy(settleResponse: object): bigint {
  try {
    return chargeNoticeFromJson(settleResponse).cumulativeCredits;
  } catch (error) {
    if (error instanceof KhachapuriError) return 0n;
    throw error;
  }
}

function isCredits(entry: unknown): boolean {
  return (entry as { scheme?: unknown } | null)?.scheme === CREDITS_SCHEME;
}

function keyIn({ chainId, escrow, payTo: provider }: CreditsOffer) {
  return { chainId, escrow, provider };
}

function textOf({ chainId, escrow, provider }: ReturnType<typeof keyIn>): string {
  return `${chainId} ${escrow} ${provider}`;
}

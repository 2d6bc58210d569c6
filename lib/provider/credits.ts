/**
 * Taking a credit for a run: checked against permit, lane and allowance, reserved durably before
 * the program starts, charged or released when it has ended. With `settle: "each"` the escrow has
 * mined `consume(price, permit)` before the reservation exists.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../errors.ts";
import {
  assertPermitAlive,
  type EscrowDomain,
  type Permit,
  recoverPermitSigner,
} from "../permit.ts";
import { formatUsdc } from "../chain/usdc.ts";
import type { Bill } from "./bill.ts";
import { type Entry, type Lane, type Outcome, prepaid } from "./journal.ts";
import type { Ledger } from "./ledger.ts";
import type { Payers, PayerView } from "./payers.ts";

/** What a payer has left, after a charge. */
export interface Standing {
  chargedCredits: bigint;
  cumulativeCredits: bigint;
  availableCredits: bigint;
}

/** One credit, held on disk until the run has ended. Ending it twice is an error. */
export interface Reservation {
  charge(outcome: Outcome): Promise<Standing>;
  release(reason: string): Promise<void>;
  /** What the payer will have left once this credit is charged. */
  standing(): Standing;
}

export interface Credits {
  /**
   * Cheap refusal before anything is fetched for the call.
   * @throws KhachapuriError `payment_required` with the reason, `chain_unavailable`
   */
  assertPayable(bill: Bill): Promise<void>;
  /**
   * Takes the credit; durable when it resolves.
   * @throws KhachapuriError as `assertPayable`; nothing is then held or charged
   */
  reserve(bill: Bill): Promise<Reservation>;
}

/** Has the escrow take one credit of the bill's lane; resolves when the ledger knows it. */
export type ConsumeOne = (bill: Bill) => Promise<void>;

export interface CreditsOptions {
  domain: EscrowDomain;
  ledger: Ledger;
  payers: Payers;
  /** `null` settles in the background; else mines one consume for the bill's lane. */
  consume: ConsumeOne | null;
  /** A permit must outlive a call by this long, so that it can still be settled, seconds. */
  settleWindowSeconds: bigint;
  /** How old a view of the chain may be when a call is admitted, ms; asked at each call. */
  viewAgeMs(): number;
  /** While the chain is out of reach, serve on old views up to this much unsettled; base units. */
  offlineAmount: bigint;
  /** Called after each charge. */
  onCharge?: () => void;
  now?: () => number;
}

/** A payer who is refused is looked up this often at most, ms. */
const REFUSAL_AGE_MS = 500;
/** Signers of permits already verified, by the permit's signature. */
const SIGNERS_MAX = 10_000;

export function createCredits(options: CreditsOptions): Credits {
  const { ledger, payers, domain } = options;
  const now = options.now ?? Date.now;
  const recover = rememberSigners(domain);

  /**
   * What the chain says of the payer. When it says nothing, what it said last will do for a while:
   * a payer cannot take credits back before they have thawed.
   */
  async function viewFor(bill: Bill, maxAgeMs = options.viewAgeMs()): Promise<PayerView> {
    try {
      return await payers.view(bill.payer, bill.lane, maxAgeMs);
    } catch (error) {
      const last = payers.last(bill.payer);
      const isKnown = last && ledger.lane(bill.payer, bill.lane);
      if (isKnown && ledger.unsettled() + bill.price <= options.offlineAmount) return last;
      throw error;
    }
  }

  /** Everything but the counters, which are looked at without a pause before reserving. */
  async function assertPermit(bill: Bill, view: PayerView): Promise<void> {
    const nowSeconds = BigInt(Math.floor(now() / 1000));
    assertPermitAlive(bill.permit, nowSeconds, options.settleWindowSeconds);
    assertPrices(bill, view);
    const signer = await recover(bill.permit);
    if (signer === view.signer) return;
    throw new KhachapuriError("payment_required", "the permit's signature is not the payer's", {
      hints: [`it must be signed by ${view.signer} for escrow ${domain.escrow}`],
    });
  }

  /** A no is never said on an old view: the payer may have allowed more just now. */
  async function admit(bill: Bill): Promise<PayerView> {
    const view = await viewFor(bill);
    try {
      return await admitOn(bill, view);
    } catch (error) {
      if (now() - view.at < REFUSAL_AGE_MS) throw error;
      return await admitOn(bill, await viewFor(bill, REFUSAL_AGE_MS));
    }
  }

  async function admitOn(bill: Bill, view: PayerView): Promise<PayerView> {
    await assertPermit(bill, view);
    const lane = ledger.lane(bill.payer, bill.lane);
    assertLane(bill, view, lane);
    const isPaid = options.consume !== null && lane !== undefined && prepaid(lane) > 0n;
    if (!isPaid) assertAvailable(bill, view, ledger);
    return view;
  }

  /** The chain takes the credit first; what it took and nobody used is the lane's next call's. */
  async function takeFirst(bill: Bill, seen: PayerView, consume: ConsumeOne): Promise<Reservation> {
    const { payer, lane: id } = bill;
    if (!ledger.lane(payer, id)) await ledger.append(openEntry(bill, seen));
    const lane = ledger.lane(payer, id)!;
    let view = seen;
    while (prepaid(lane) === 0n) {
      await consume(bill);
      payers.forget(payer);
      view = await viewFor(bill).catch(() => seen);
    }
    return await hold(ledger, bill, [], view);
  }

  /** Others may have reserved while we waited for the chain: from the counters on, no pause. */
  async function promise(bill: Bill, view: PayerView): Promise<Reservation> {
    const { payer, lane: id, permit } = bill;
    const lane = ledger.lane(payer, id);
    assertLane(bill, view, lane);
    assertAvailable(bill, view, ledger);
    const entries: Entry[] = lane ? [] : [openEntry(bill, view)];
    if (isBetter(bill, lane)) entries.push({ kind: "permit", payer, lane: id, permit });
    return await hold(ledger, bill, entries, view, options.onCharge);
  }

  return {
    async assertPayable(bill) {
      await admit(bill);
    },
    async reserve(bill) {
      const view = await admit(bill);
      const { consume } = options;
      return consume ? await takeFirst(bill, view, consume) : await promise(bill, view);
    },
  };
}

async function hold(
  ledger: Ledger,
  bill: Bill,
  entries: Entry[],
  view: PayerView,
  onCharge?: () => void,
): Promise<Reservation> {
  const { payer, lane: id, deployment, price } = bill;
  const reservation = ledger.nextReservation();
  entries.push({ kind: "reserve", payer, lane: id, reservation, deployment, price });
  await ledger.append(...entries);
  const lane = ledger.lane(payer, id)!;

  function standing(): Standing {
    return {
      chargedCredits: 1n,
      cumulativeCredits: lane.charged + 1n,
      availableCredits: clamp(available(view, payer, ledger)),
    };
  }

  return {
    standing,
    async charge(outcome) {
      await ledger.append({ kind: "charge", payer, lane: id, reservation, outcome });
      onCharge?.();
      return { ...standing(), cumulativeCredits: lane.charged };
    },
    async release(reason) {
      await ledger.append({ kind: "release", payer, lane: id, reservation, reason });
    },
  };
}

/**
 * Credits that may still be promised: `credits − thawing − outstanding`. What is outstanding is
 * counted from the block of the credits, so that a settlement moves both sides at once.
 */
export function available(
  view: PayerView,
  payer: Address,
  ledger: Pick<Ledger, "account" | "lane">,
): bigint {
  const left = view.credits - view.thawingCredits;
  const account = ledger.account(payer);
  if (!account) return left;
  let consumed = account.settled;
  for (const [id, count] of view.consumed) {
    const lane = ledger.lane(payer, id);
    if (lane) consumed += count - lane.settled;
  }
  return left + consumed - account.charged - account.reserved;
}

function openEntry(bill: Bill, view: PayerView): Entry {
  const credits = view.consumed.get(bill.lane)!;
  return { kind: "open", payer: bill.payer, lane: bill.lane, credits };
}

function assertPrices(bill: Bill, view: PayerView): void {
  const asked = `one credit costs ${formatUsdc(bill.price)} USDC here`;
  if (bill.permit.price < bill.price) {
    throw refusal(bill, `the permit allows ${formatUsdc(bill.permit.price)} USDC a credit`, asked);
  }
  if (view.credits > 0n && view.pricePerCredit < bill.price) {
    const allowed = `the allowance is at ${formatUsdc(view.pricePerCredit)} USDC a credit`;
    throw refusal(bill, allowed, asked);
  }
}

function assertLane(bill: Bill, view: PayerView, lane: Lane | undefined): void {
  if (lane?.refused) {
    throw refusal(bill, `the escrow refused to settle this lane (${lane.refused})`, "use another");
  }
  const used = lane ? lane.charged + lane.reserved : view.consumed.get(bill.lane)!;
  if (used < bill.permit.credits) return;
  throw refusal(bill, "the permit is used up", "sign one for more credits on the same lane");
}

function assertAvailable(bill: Bill, view: PayerView, ledger: Ledger): void {
  if (available(view, bill.payer, ledger) > 0n) return;
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
 * Whether the bill's permit is to be kept for settlement instead of the lane's.
 * @throws KhachapuriError `payment_required` when it is needed but would not cover what the lane's
 * earlier calls cost
 */
function isBetter(bill: Bill, lane: Lane | undefined): boolean {
  const { permit } = bill;
  const known = lane?.permit;
  if (!lane || !known) return true;
  if (known.signature === permit.signature) return false;
  const lasts = permit.credits === known.credits && permit.deadline > known.deadline;
  if (permit.credits < known.credits || (permit.credits === known.credits && !lasts)) return false;
  const dearest = lane.segments.reduce((most, { price }) => price > most ? price : most, 0n);
  if (permit.price >= dearest) return true;
  if (permit.credits === known.credits) return false;
  const message = `earlier calls on this lane cost ${formatUsdc(dearest)} USDC and are not settled`;
  throw refusal(bill, message, "sign a permit for at least that price, or use another lane");
}

/** Recovering a signer takes about a millisecond; a permit is verified once. */
function rememberSigners(domain: EscrowDomain): (permit: Permit) => Promise<Address | null> {
  const signers = new Map<string, Address | null>();
  return async (permit) => {
    const key = Object.values(permit).join();
    const known = signers.get(key);
    if (known !== undefined) return known;
    const signer = await recoverPermitSigner(domain, permit);
    if (signers.size >= SIGNERS_MAX) signers.delete(signers.keys().next().value!);
    signers.set(key, signer);
    return signer;
  };
}

function clamp(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

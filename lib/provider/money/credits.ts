/**
 * Taking a credit for a run: checked against permit, lane and allowance, reserved durably before
 * the program starts, charged or released when it has ended. With `settle: "each"` the escrow has
 * mined `consume(price, permit)` before the reservation exists.
 */
import { KhachapuriError } from "../../errors.ts";
import { assertPermitAlive, type EscrowDomain } from "../../permit.ts";
import {
  assertAvailable,
  assertCoversLane,
  assertLane,
  assertPrices,
  assertRoom,
  availableFor,
  type Book,
  correcting,
  roomFor,
  usedOn,
} from "./admission.ts";
import { createAhead, type Pool } from "./prehold.ts";
import type { Bill } from "./bill.ts";
import { type Entry, type Outcome, prepaid, type RunFacts } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Payers, PayerView } from "./payers.ts";
import { createAsking } from "../settlement/settle_each.ts";
import { rememberSigners } from "./signers.ts";

/** What of a receipt only the run knows. */
export type OwnFacts = Omit<RunFacts, "cumulative" | "deployment" | "price">;

/** What a payer has left, after a charge. */
export interface Standing {
  chargedCredits: bigint;
  cumulativeCredits: bigint;
  availableCredits: bigint;
}

/** One credit, held on disk until the run has ended. Ending it twice is an error. */
export interface Reservation {
  /** The number that the ledger knows it by. */
  readonly id: number;
  /**
   * Resolves when no end of this process can undo it; with a receipt, when it is on disk: what we
   * sign we must not forget, whatever happens to the machine.
   * @param own for the receipt, where there will be one
   */
  charge(outcome: Outcome, own?: OwnFacts): Promise<void>;
  /** Written soon; should this process end before, the next start releases it. */
  release(reason: string): void;
  /** What the payer will have left once this credit is charged. */
  standing(): Standing;
}

export interface Credits {
  /**
   * What is used or held on the bill's lane, for whoever shows a permit that the escrow would
   * believe, whatever is left on it.
   * @throws KhachapuriError `payment_required` when it is not the payer's, `chain_unavailable`
   */
  countOf(bill: Bill): Promise<bigint>;
  /**
   * Cheap refusal before anything is fetched for the call. A caller that has proved to be the
   * payer, be it by a permit that is used up, finds its lane's count in the error's data.
   * @throws KhachapuriError `payment_required` with the reason, `chain_unavailable`
   */
  assertPayable(bill: Bill): Promise<void>;
  /**
   * Takes the credit; durable when it resolves.
   * @throws KhachapuriError as `assertPayable`; nothing is then held or charged
   */
  reserve(bill: Bill): Promise<Reservation>;
  /** Gives back what is held for calls that have not come. */
  close(): void;
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
/** A call that was admitted so lately, ms, on what is still the last view, is not judged again. */
const ADMITTED_MS = 50;
/** Transactions that one call may cost while others on its lane use what they take. */
const CONSUME_ATTEMPTS_MAX = 8;

export function createCredits(options: CreditsOptions): Credits {
  const { ledger, payers, domain } = options;
  const now = options.now ?? Date.now;
  const recover = rememberSigners(domain);
  const ask = createAsking();
  const ahead = createAhead(ledger);
  const book: Book = { ledger, ahead };
  /** The call that was found good last, with the view that says so. */
  let admitted: { bill: Bill; view: PayerView; at: number } | null = null;

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
      const exposure = ledger.unsettled() + ledger.held() - ahead.amount() + bill.price;
      if (isKnown && exposure <= options.offlineAmount) return last;
      throw error;
    }
  }

  async function assertSignature(bill: Bill, view: PayerView): Promise<void> {
    if (await recover(bill.permit) === view.signer) return;
    throw new KhachapuriError("payment_required", "the permit's signature is not the payer's", {
      hints: [`it must be signed by ${view.signer} for escrow ${domain.escrow}`],
    });
  }

  /** A no is never said on an old view: the payer may have allowed more just now. */
  async function onFreshView<T>(bill: Bill, check: (view: PayerView) => Promise<T>): Promise<T> {
    const view = await viewFor(bill);
    try {
      return await check(view);
    } catch (error) {
      if (now() - view.at < REFUSAL_AGE_MS) throw error;
      return await check(await viewFor(bill, REFUSAL_AGE_MS));
    }
  }

  const admit = (bill: Bill) => onFreshView(bill, (view) => admitOn(bill, view));

  /** What was admitted lately, when nothing that is awaited has changed since. */
  function lately(bill: Bill): PayerView | null {
    if (admitted?.bill !== bill || now() - admitted.at > ADMITTED_MS) return null;
    return payers.last(bill.payer) === admitted.view ? admitted.view : null;
  }

  async function admitOn(bill: Bill, view: PayerView): Promise<PayerView> {
    await assertSignature(bill, view);
    const lane = ledger.lane(bill.payer, bill.lane);
    return correcting(bill, view, book, () => {
      const nowSeconds = BigInt(Math.floor(now() / 1000));
      assertPermitAlive(bill.permit, nowSeconds, options.settleWindowSeconds);
      assertPrices(bill, view);
      assertLane(bill, view, book);
      const isPaid = options.consume !== null && lane !== undefined && prepaid(lane) > 0n;
      if (!isPaid) assertAvailable(bill, view, book);
      return view;
    });
  }

  /** The chain takes the credit first; what it took and nobody used is the lane's next call's. */
  async function takeFirst(bill: Bill, seen: PayerView, consume: ConsumeOne): Promise<Reservation> {
    const { payer, lane: id, permit } = bill;
    assertRoom(bill, ledger.lane(payer, id), ledger);
    if (!ledger.lane(payer, id)) await ledger.append(openEntry(bill, seen));
    const lane = ledger.lane(payer, id)!;
    let view = seen;
    for (let taken = 0; prepaid(lane) === 0n; taken++) {
      // Others on the lane may use what we had taken; an endpoint that hides what was taken may not
      // make us take it for ever.
      if (taken === CONSUME_ATTEMPTS_MAX) throw untraceable();
      const over = ask(bill, { payer: view.credits, lane: permit.credits - lane.settled });
      await consume(bill).finally(over);
      payers.forget(payer);
      view = await viewFor(bill).catch(() => seen);
    }
    // Should a fork take back what was taken, it is due like any other: by this permit.
    const isKept = lane.permit?.signature === permit.signature;
    const entries: Entry[] = isKept ? [] : [{ kind: "permit", payer, lane: id, permit }];
    const { reservation, durable } = holdNow(bill, entries);
    await durable;
    return reservationOf(bill, view, reservation);
  }

  /** Others may have reserved while we waited for the chain: from the counters on, no pause. */
  async function promise(bill: Bill, view: PayerView): Promise<Reservation> {
    const { reservation, durable } = correcting(bill, view, book, () => {
      assertLane(bill, view, book);
      assertAvailable(bill, view, book);
      return takeHeld(bill) ?? holdNow(bill, enter(bill, view));
    });
    if (durable) await durable;
    return reservationOf(bill, view, reservation);
  }

  /** What the ledger has to know before it can hold a credit of the bill's lane. */
  function enter(bill: Bill, view: PayerView): Entry[] {
    const { payer, lane: id, permit } = bill;
    const lane = ledger.lane(payer, id);
    assertRoom(bill, lane, ledger);
    const isKept = lane?.permit?.signature === permit.signature;
    if (lane && !isKept) assertCoversLane(bill, lane);
    // What is held ahead is first of all for a call that is here, and it is held by the lane's
    // permit: another permit begins anew.
    if (!isKept || roomFor(bill, view, ledger) <= 0n) ahead.giveBack(payer);
    if (isKept) return [];
    const open = lane ? [] : [openEntry(bill, view)];
    return [...open, { kind: "permit", payer, lane: id, permit }];
  }

  function takeHeld(bill: Bill): Hold | null {
    const spare = ahead.poolOf(bill).take(bill.price);
    if (!spare) return null;
    const isDurable = ledger.isDurable(spare.mark);
    return { reservation: spare.reservation, durable: isDurable ? null : ledger.sync() };
  }

  function holdNow(bill: Bill, entries: readonly Entry[]): Hold {
    const entry = reserveEntry(bill, ledger);
    return { reservation: entry.reservation, durable: ledger.append(...entries, entry) };
  }

  /** What calls like this one will find held, where that pays and nothing is against it. */
  function heldAhead(bill: Bill, view: PayerView, pool: Pool) {
    const lane = ledger.lane(bill.payer, bill.lane)!;
    const isServed = lane.refused === null && lane.permit?.signature === bill.permit.signature;
    const wanted = options.consume || !isServed ? 0 : pool.wanted();
    if (wanted === 0) return [];
    const room = roomFor(bill, payers.last(bill.payer) ?? view, ledger);
    const held: ReserveEntry[] = [];
    while (held.length < wanted && room > held.length) held.push(reserveEntry(bill, ledger));
    return held;
  }

  function reservationOf(bill: Bill, view: PayerView, reservation: number): Reservation {
    const { payer, lane: id } = bill;
    const lane = ledger.lane(payer, id)!;
    return {
      id: reservation,
      standing: () => ({
        chargedCredits: 1n,
        cumulativeCredits: lane.charged + 1n,
        availableCredits: clamp(availableFor(bill, view, book)),
      }),
      async charge(outcome, own) {
        const { deployment, price } = bill;
        const facts = own && { ...own, deployment, price, cumulative: lane.charged + 1n };
        const charged = { kind: "charge", payer, lane: id, reservation, outcome } as const;
        const pool = ahead.poolOf(bill);
        const held = heldAhead(bill, view, pool);
        const written = facts
          ? ledger.append({ ...charged, facts }, ...held)
          : ledger.commit(charged, ...held);
        for (const next of held) pool.leave(price, next.reservation);
        await written;
        options.onCharge?.();
      },
      release(reason) {
        const entry = { kind: "release", payer, lane: id, reservation, reason } as const;
        // A ledger that cannot be written says so to every call.
        ledger.commit(entry).catch(() => {});
      },
    };
  }
  return {
    countOf: (bill) =>
      onFreshView(bill, async (view) => {
        await assertSignature(bill, view);
        return usedOn(bill, view, book);
      }),
    async assertPayable(bill) {
      const view = await admit(bill);
      admitted = { bill, view, at: now() };
    },
    async reserve(bill) {
      const view = lately(bill) ?? await admit(bill);
      const { consume } = options;
      return consume ? await takeFirst(bill, view, consume) : await promise(bill, view);
    },
    close: ahead.close,
  };
}
/** A credit that is held; `durable` is null when it is on disk already. */
interface Hold {
  readonly reservation: number;
  readonly durable: Promise<void> | null;
}

function openEntry(bill: Bill, view: PayerView): Entry {
  const credits = view.consumed.get(bill.lane)!;
  return { kind: "open", payer: bill.payer, lane: bill.lane, credits };
}

type ReserveEntry = Extract<Entry, { kind: "reserve" }>;

function reserveEntry({ payer, lane, deployment, price }: Bill, ledger: Ledger): ReserveEntry {
  const reservation = ledger.nextReservation();
  return { kind: "reserve", payer, lane, reservation, deployment, price };
}

function untraceable(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "what the escrow took cannot be read back", {
    retryAfterSeconds: 10,
    hints: ["the next call on this lane is prepaid"],
  });
}

function clamp(value: bigint): bigint {
  return value > 0n ? value : 0n;
}

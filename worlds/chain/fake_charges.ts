/** What the escrow's `consume` does to allowances and lanes, row by row, and what that costs. */
import { type Address, type Hex, zeroAddress } from "viem";
import type { Charge } from "../../lib/chain/escrow_provider.ts";
import type { Permit } from "../../lib/permit.ts";
import {
  allowanceSlot,
  credit,
  earnedSlot,
  type FakeAllowance,
  type FakeLog,
  FakeRevert,
  isSame,
  laneSlot,
  logOf,
  operatorAt,
  type Pair,
  selectorOf,
  type Sender,
  spend,
  upToDate,
} from "./fake_escrow.ts";
import { EARNING_GAS, ROW_GAS, TAB_GAS } from "./fake_gas.ts";
import type { Draft } from "./fake_state.ts";

/** Whoever signed a permit, as the escrow recovers it; null when it takes no such signature. */
export type SignerOf = (permit: Permit) => Address | null;

/** One payer's allowance while rows are charged against it: read once, written once. */
interface Tab extends Pair {
  held: FakeAllowance;
  used: bigint;
  earned: bigint;
  /** Null: no cap. */
  room: bigint | null;
}

export interface Consumed {
  logs: FakeLog[];
  gas: bigint;
  /** USDC base units. */
  amount: bigint;
}

const UINT128_MAX = (1n << 128n) - 1n;

export class Charges {
  readonly #draft: Draft;
  readonly #sender: Sender;
  readonly #signerOf: SignerOf;
  #gas = 0n;
  #hasEarned = false;

  constructor(draft: Draft, sender: Sender, signerOf: SignerOf) {
    this.#draft = draft;
    this.#sender = sender;
    this.#signerOf = signerOf;
  }

  /** `consume(Charge[])`: a row that is refused is skipped. */
  takeAll(rows: readonly Charge[]): Consumed {
    const logs: FakeLog[] = [];
    let amount = 0n;
    let tab: Tab | null = null;
    for (const { permit, credits, price } of rows) {
      if (tab === null || !isSamePair(permit, tab)) {
        amount += this.#close(tab);
        tab = this.#open(permit);
      }
      const outcome = this.#charge(tab, permit, credits, price);
      if (typeof outcome !== "string") logs.push(outcome);
      else {
        const { payer, provider, lane } = permit;
        const reason = selectorOf(outcome);
        logs.push(logOf("ChargeSkipped", { payer, provider, lane, credits, reason }));
      }
    }
    amount += this.#close(tab);
    return { logs, amount, gas: this.#gas };
  }

  /** `consume(price, permit)`: the next credit of its lane, or a revert. */
  takeOne(price: bigint, permit: Permit): Consumed {
    const tab = this.#open(permit);
    const next = this.#draft.get(laneSlot(permit, permit.lane)).consumed + 1n;
    const outcome = this.#charge(tab, permit, next, price);
    if (typeof outcome === "string") throw new FakeRevert(outcome);
    return { logs: [outcome], amount: this.#close(tab), gas: this.#gas };
  }

  #open({ payer, provider }: Pair): Tab {
    this.#gas += TAB_GAS.opened;
    const held = upToDate(this.#draft.get(allowanceSlot({ payer, provider })), this.#sender.time);
    return { payer, provider, held, used: 0n, earned: 0n, room: this.#room(provider) };
  }

  #room(provider: Address): bigint | null {
    const { from: operator, time } = this.#sender;
    if (isSame(operator, provider)) return null;
    const limits = operatorAt(this.#draft, { provider, operator, time });
    if (limits === null || time >= limits.expiry) {
      throw new FakeRevert("NotOperator", [provider, operator]);
    }
    const { dailyCap, spent } = limits;
    if (dailyCap === 0n) return null;
    return spent < dailyCap ? dailyCap - spent : 0n;
  }

  /** @returns its event, or why the escrow does not take it */
  #charge(tab: Tab, permit: Permit, cumulative: bigint, price: bigint): FakeLog | string {
    const lane = this.#draft.get(laneSlot(tab, permit.lane));
    const refusal = this.#refusalOf(tab, permit, { cumulative, price, before: lane.consumed });
    this.#gas += refusal !== null
      ? (refusal === "InvalidSignature" ? ROW_GAS.badlySigned : ROW_GAS.skipped)
      : (lane.consumed === 0n ? ROW_GAS.fresh : ROW_GAS.warm);
    if (refusal !== null) return refusal;
    const credits = cumulative - lane.consumed;
    const amount = credits * price;
    const paid = lane.paid + amount;
    this.#draft.set(laneSlot(tab, permit.lane), {
      consumed: cumulative,
      paid: paid < UINT128_MAX ? paid : UINT128_MAX,
    });
    tab.used += credits;
    tab.earned += amount;
    const { payer, provider } = tab;
    return logOf("Charged", { payer, provider, lane: permit.lane, credits, cumulative, price });
  }

  #refusalOf(
    { held, used, earned, room, payer }: Tab,
    permit: Permit,
    { cumulative, price, before }: { cumulative: bigint; price: bigint; before: bigint },
  ): string | null {
    const { epoch, epochEnd } = held;
    const last = epochEnd === 0n ? epoch : epoch + 1;
    if (cumulative <= before) return "AlreadyCharged";
    if (this.#sender.time > permit.deadline) return "PermitExpired";
    if (permit.epoch !== epoch && permit.epoch !== last) return "WrongEpoch";
    if (cumulative > permit.credits) return "PermitExceeded";
    if (price > permit.price || price > held.pricePerCredit) return "PriceTooHigh";
    const credits = cumulative - before;
    if (credits > held.credits - used) return "InsufficientCredits";
    if (room !== null && earned + credits * price > room) return "DailyCapReached";
    const signer = this.#signerOf(permit);
    const wanted = held.signer === zeroAddress ? payer : held.signer;
    return signer !== null && isSame(signer, wanted) ? null : "InvalidSignature";
  }

  #close(tab: Tab | null): bigint {
    if (tab === null || tab.used === 0n) return 0n;
    const { payer, provider, held, used, earned, room } = tab;
    const stored = this.#draft.get(allowanceSlot(tab));
    this.#draft.set(allowanceSlot(tab), { ...stored, credits: held.credits - used });
    this.#draft.set(earnedSlot(provider), this.#draft.get(earnedSlot(provider)) + earned);
    // What was charged below the locked price is the payer's again.
    const returned = used * held.pricePerCredit - earned;
    credit(this.#draft, payer, returned);
    this.#gas += TAB_GAS.charged + (returned > 0n ? TAB_GAS.returned : 0n);
    if (!this.#hasEarned) this.#gas += EARNING_GAS;
    this.#hasEarned = true;
    const { from: operator, time } = this.#sender;
    if (room !== null) spend(this.#draft, { provider, operator, time }, earned);
    return earned;
  }
}

function isSamePair(one: Pair, other: Pair): boolean {
  return isSame(one.payer, other.payer) && isSame(one.provider, other.provider);
}

/** The permits that a settlement rests on. */
export function permitsIn(args: readonly unknown[]): Permit[] {
  const [first, second] = args as [Charge[] | bigint, Permit?];
  return Array.isArray(first) ? first.map(({ permit }) => permit) : [second!];
}

/** Names a permit by all that it says. */
export function permitKey(permit: Permit): string {
  return (Object.values(permit) as (Hex | bigint | number)[]).join();
}

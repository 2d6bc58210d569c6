/** Lanes and accounts as the database tells them, and as a judgement has them. */
import type { Address, Hex } from "viem";
import type { Account } from "../journal.ts";
import type { Lane } from "../lane.ts";
import { permitsFrom, type PermitsState } from "../lane_state.ts";
import { NONE_USED_UP, withCount } from "../used_up.ts";

/** Counters are text. */
export interface LaneJson {
  readonly id: number;
  readonly lane: Hex;
  readonly opened: string;
  readonly openedAt: number;
  readonly charged: string;
  readonly held: string;
  readonly settled: string;
  readonly settledBlock: string;
  readonly version: number;
  /** Without members for a lane that no permit was accepted on yet. */
  readonly permits: PermitsState | Record<string, never>;
  readonly stepsUpto: readonly string[];
  readonly stepsPrice: readonly string[];
  readonly agesBeyond: readonly string[];
  readonly agesAt: readonly number[];
  readonly refused: string | null;
}

export interface AccountJson {
  readonly id: number;
  readonly payer: Address;
  readonly used: string;
  readonly held: string;
  readonly settled: string;
}

/** What a payer's lanes come to that are to be settled still, or were refused. */
export interface StandingJson {
  readonly open: number;
  /** USDC base units. */
  readonly owed: string;
}

export interface LookJson {
  readonly account: AccountJson;
  readonly standing: StandingJson;
  readonly lane: LaneJson | null;
}

export function laneOfJson(payer: Address, json: LaneJson): Lane {
  const charged = BigInt(json.charged);
  const { permits, usedUp } = "permits" in json.permits
    ? permitsFrom(json.permits as PermitsState)
    : { permits: [], usedUp: NONE_USED_UP };
  return {
    payer,
    lane: json.lane,
    charged,
    held: BigInt(json.held),
    settled: BigInt(json.settled),
    settledBlock: BigInt(json.settledBlock),
    permits,
    // It was written when the last permit came, and what was charged since has used up more.
    usedUp: withCount(usedUp, charged),
    segments: json.stepsUpto.map((upTo, index) => ({
      upTo: BigInt(upTo),
      price: BigInt(json.stepsPrice[index]!),
    })),
    ages: json.agesBeyond.map((beyond, index) => ({
      beyond: BigInt(beyond),
      at: json.agesAt[index]!,
    })),
    openedAt: json.openedAt,
    refused: json.refused,
    opened: BigInt(json.opened),
    reserved: [],
    listed: 0,
  };
}

/** The sums that a judgement reads: what the database counts as used is charged beyond nothing. */
export function takeAccount(
  account: Account,
  { used, held, settled }: AccountJson,
  { open, owed }: StandingJson,
): void {
  account.charged = BigInt(used);
  account.held = BigInt(held);
  account.settled = BigInt(settled);
  account.open = open;
  account.unsettledAmount = BigInt(owed);
}

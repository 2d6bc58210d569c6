/**
 * A whole ledger as a file (gzip of JSON, a line for each thing that it knows), whichever store it
 * comes from and goes to: what it is of, lanes in the order of their names, charges, what was
 * bought by single payments, answers under keys, and at last what all of it comes to with a digest
 * of all lines before. Counters and amounts are text, bytes hex or base64.
 */
import type { Address, Hex } from "viem";
import type { CidText } from "../../../cid.ts";
import type { Outcome } from "../../../receipt.ts";
import type { LaneId } from "../entries.ts";
import type { Lane } from "../lane.ts";
import { laneOfState, type State, stateOfLane } from "../lane_state.ts";
import type { RunFacts } from "../ledger.ts";
import type { PurchaseRow } from "../purchase_rows.ts";
import { withCount } from "../used_up.ts";

export const FORMAT = "ledger export";
export const FORMAT_VERSION = 1;

export type StoreName = "sqlite" | "postgres";

/** Whose money a ledger counts. */
export interface Whose {
  readonly provider: Address;
  readonly chainId: number;
  readonly escrow: Address;
}

/** Numbers that were never given. */
export interface NextNumbers {
  readonly reservation: number;
  readonly purchase: number;
}

/** The first line. */
export interface Header extends Whose {
  readonly khachapuri: typeof FORMAT;
  readonly version: number;
  /** Of the program that wrote it. */
  readonly release: string;
  readonly store: StoreName;
  readonly next: NextNumbers;
}

export type LaneLine = readonly ["lane", payer: Address, lane: Hex, state: State];

/** What of a receipt stands in no other place of its line. */
export type FactsText = readonly [
  credits: number,
  requestHash: Hex | null,
  responseHash: Hex,
  startedAt: number,
  durationMs: number,
];

export type ChargeLine = readonly [
  "charge",
  reservation: number,
  /** ms since the epoch. */
  at: number,
  /** Which of the lanes before; the first is 0. */
  lane: number,
  /** The lane's counter with it. */
  charged: string,
  price: string,
  /** "" where nobody knows any more. */
  cid: CidText,
  outcome: Outcome,
  /** Null where nobody can ask for a receipt. */
  facts: FactsText | null,
];

/** Single payments of all chains and tokens. */
export type PurchaseLine = readonly [
  "purchase",
  & Omit<PurchaseRow, "request" | "key" | "facts">
  & {
    readonly chain: number;
    readonly asset: Address;
    readonly request: string;
    readonly key: string | null;
    readonly facts: FactsText | null;
  },
];

export type AnswerLine = readonly ["answer", {
  readonly id: string;
  readonly payer: Address;
  readonly fingerprint: string;
  readonly at: number;
  /** Of a purchase its number below zero. */
  readonly reservation: number;
  readonly bytes: number;
  readonly status: number | null;
  readonly headers: string | null;
  readonly body: string | null;
  readonly why: string | null;
}];

/** What was charged before the journal begins, whose rows were let go of. */
export type GoneLine = readonly ["gone", charges: number, amount: string];

export type Line = LaneLine | ChargeLine | PurchaseLine | AnswerLine | GoneLine;

/** @throws Error for a lane on which something is held */
export function laneLine(lane: Lane): LaneLine {
  if (lane.held !== 0n) throw new Error(`something is held on lane ${lane.lane} of ${lane.payer}`);
  // One store writes with each charge what is used up by it, the other with each permit.
  const usedUp = withCount(lane.usedUp, lane.charged);
  const state = stateOfLane({ ...lane, reserved: [], usedUp }, new Map());
  return ["lane", lane.payer, lane.lane, state];
}

export function laneOfLine([, payer, lane, state]: LaneLine): Lane {
  return laneOfState({ payer, lane }, state).lane;
}

/** As a key of maps. */
export function nameOf({ payer, lane }: LaneId): string {
  return `${payer} ${lane}`;
}

export function factsText(facts: RunFacts): FactsText {
  const { credits, requestHash, responseHash, startedAt, durationMs } = facts;
  return [credits, requestHash, responseHash, startedAt, durationMs];
}

export function factsOf(
  [credits, requestHash, responseHash, startedAt, durationMs]: FactsText,
): RunFacts {
  return { credits, requestHash, responseHash, startedAt, durationMs };
}

/** A row as either store has it, its bytes in hex. */
export function purchaseLine(
  row: {
    readonly [K in keyof PurchaseLine[1]]: K extends "facts" ? string | null : PurchaseLine[1][K];
  },
): PurchaseLine {
  const { id, chain, asset, payer, nonce, payTo, value, validAfter, validBefore } = row;
  const { signature, cid, request, key, block, at, state, txHash, paidBlock, paidHash } = row;
  const facts = row.facts === null ? null : factsText(JSON.parse(row.facts));
  return ["purchase", {
    ...{ id, chain, asset, payer, nonce, payTo, value, validAfter, validBefore, signature, cid },
    ...{ request, key, block, at, state, txHash, paidBlock, paidHash },
    ...{ outcome: row.outcome, facts },
  }];
}

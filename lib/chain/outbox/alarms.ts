/** What a person must look at of transactions that are out, in plain words. Pure. */
import { formatEther, formatGwei } from "viem";
import { gasPriceOf, isFresh, type Price } from "./fees.ts";
import { carriedWorth, type Flight, lesser } from "./plan.ts";

/** A transaction that is out, and since when, Unix ms; null: unknown. */
export interface WaitingFlight extends Flight {
  readonly since: number | null;
}

/** What is known of an outbox and its chain. Times in ms. */
export interface OutboxState {
  flights: readonly WaitingFlight[];
  /** The account's coin as it was read last, wei; null: it was not. */
  balance: bigint | null;
  /** As it was asked last; null: it was not, or is not answered. */
  price: Price | null;
  /** When a new block was last seen, or first looked for. */
  headAt: number;
  /** When one was last mined, or we began to look. */
  minedAt: number;
  /** When a nonce of ours was last found to be used by another transaction; null: never. */
  usedElsewhereAt: number | null;
  /** Fees raised since the start. */
  raises: number;
  /** The most that is paid for a unit of gas, wei; null: no limit. */
  feeMax: bigint | null;
}

/** Blocks are made more often than this on every chain, ms. */
const STILL_AFTER_MS = 120_000;
/** What pays enough is mined sooner, ms. */
const UNMINED_AFTER_MS = 300_000;
/** That the key is used elsewhere is said for so long, ms. */
const USED_ELSEWHERE_MS = 3_600_000;

/** @returns a sentence for each trouble, none when all is well */
export function alarmsOf(state: OutboxState, now: number): string[] {
  const { usedElsewhereAt } = state;
  const alarms: string[] = [];
  if (usedElsewhereAt !== null && now - usedElsewhereAt < USED_ELSEWHERE_MS) {
    alarms.push("another transaction used a nonce of the operator: is its key used elsewhere?");
  }
  const front = frontOf(state.flights);
  if (front) alarms.push(...[frontTrouble(front, state, now)].filter((text) => text !== null));
  return alarms;
}

/** The one that all others wait for. */
export function frontOf<F extends Flight>(flights: readonly F[]): F | null {
  return flights.reduce<F | null>((a, b) => a && a.nonce < b.nonce ? a : b, null);
}

/** The first cause of its waiting: the others would only follow from it. */
function frontTrouble(front: WaitingFlight, state: OutboxState, now: number): string | null {
  const { flights, balance, price, headAt, minedAt } = state;
  if (front.lacksCoin) {
    const has = balance === null ? "too little" : `${formatEther(balance)} ETH`;
    const needs = formatEther(front.gas * front.fees.maxFeePerGas);
    return `the operator is out of gas coin: it has ${has}, its next transaction needs ${needs}`;
  }
  const waitsSince = Math.max(front.since ?? minedAt, minedAt);
  const waiting = `${flights.length} of the operator's transactions wait`;
  const stillMs = now - Math.max(headAt, waitsSince);
  if (stillMs >= STILL_AFTER_MS) return `no new block for ${minutes(stillMs)} while ${waiting}`;
  const dear = price && dearness(front, state, price);
  if (dear) return dear;
  const unminedMs = now - waitsSince;
  if (unminedMs < UNMINED_AFTER_MS) return null;
  return `nothing mined for ${minutes(unminedMs)} though blocks are made: ${waiting}`;
}

/** Whether gas costs more than the front transaction may pay. */
function dearness(front: Flight, { flights, feeMax }: OutboxState, price: Price): string | null {
  const cap = lesser(carriedWorth(front, flights), feeMax);
  const gasPrice = gasPriceOf(price);
  if (cap === null || cap >= gasPrice || isFresh(front.fees, price)) return null;
  const may = formatGwei(cap);
  return `gas costs ${formatGwei(gasPrice)} gwei, the operator's next transaction may pay ${may}`;
}

const minutes = (ms: number) => `${Math.floor(ms / 60_000)} minutes`;

/** A ledger of its own for a test, and what is asked of it: nothing here is signed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Address, getAddress, type Hex } from "viem";
import type { CidText } from "../lib/cid.ts";
import { type Permit, UINT64_MAX } from "../lib/permit.ts";
import type { Draw, PayerView, Settling, Source } from "../lib/provider/ledger/judge.ts";
import type { Entry, LaneId } from "../lib/provider/ledger/journal.ts";
import type { Held, Ledger, RunFacts } from "../lib/provider/ledger/ledger.ts";
import {
  openSqliteLedger,
  type SqliteLedgerOptions,
} from "../lib/provider/ledger/sqlite_ledger.ts";

const address = (byte: string): Address => getAddress(`0x${byte.repeat(20)}`);
const bytes32 = (byte: string): Hex => `0x${byte.repeat(32)}`;

export const [PAYER, OTHER_PAYER] = [address("11"), address("22")];
export const [LANE, OTHER_LANE, THIRD_LANE] = [bytes32("aa"), bytes32("bb"), bytes32("cc")];
export const [CID, OTHER_CID] = ["bafyone" as CidText, "bafytwo" as CidText];
/** The lane that all is about where nothing else is said. */
export const ID: LaneId = { payer: PAYER, lane: LANE };
export const TRANSACTION = bytes32("ee");
/** USDC base units. */
export const PRICE = 5n;
/** Unix ms, in the middle of a second. */
export const NOW_MS = 1_700_000_000_500;
/** Seconds. */
export const SETTLE_WINDOW = 120n;
export const THAWING_PERIOD = 3_600n;
/** That time, Unix seconds. */
export const NOW = BigInt(Math.floor(NOW_MS / 1000));
/** An operator without limits, whose settlement takes any row. */
export const SETTLING: Settling = {
  now: NOW,
  settleWindow: SETTLE_WINDOW,
  thawingPeriod: THAWING_PERIOD,
  operator: null,
  backlog: () => null,
  rowWorth: 0n,
};

/** Of one payer on one lane it is the same permit, unless the changes say another signature. */
export function permitOf(changes: Partial<Permit> = {}): Permit {
  const { payer = PAYER, lane = LANE } = changes;
  return {
    payer,
    provider: address("99"),
    lane,
    price: PRICE,
    credits: 1_000n,
    deadline: UINT64_MAX,
    epoch: 0,
    signature: `0x${payer.slice(2).toLowerCase()}${lane.slice(2)}${"00".repeat(13)}`,
    ...changes,
  };
}

/** The signature of another permit. */
export function signatureOf(number: number): Hex {
  return `0x${number.toString(16).padStart(130, "0")}`;
}

/** A draw on the permit of its lane. */
export function drawOf(changes: Partial<Draw> = {}): Draw {
  const { payer = PAYER, lane = LANE } = changes;
  const permit = permitOf({ payer, lane });
  return { payer, lane, permit, price: PRICE, cid: CID, ...changes };
}

/** A view of a payer that has `credits` to use here, of which the escrow has taken none. */
export function viewOf(credits: bigint, changes: Partial<PayerView> = {}): PayerView {
  return {
    block: 1n,
    at: NOW_MS,
    credits,
    thawingCredits: 0n,
    thawEnd: 0n,
    pricePerCredit: PRICE,
    signer: PAYER,
    epoch: 0,
    epochEnd: 0n,
    settled: new Map([LANE, OTHER_LANE, THIRD_LANE].map((lane) => [lane, 0n])),
    ceiling: credits,
    ...changes,
  };
}

/** A run from its reservation to its charge. */
export function sale(reservation: number, price = PRICE, id = ID): Entry[] {
  return [
    { kind: "reserve", ...id, reservation, cid: CID, price },
    { kind: "charge", ...id, reservation, outcome: "answered" },
  ];
}

/** What of a receipt only the run knows. */
export const RUN: RunFacts = {
  credits: 1,
  requestHash: null,
  responseHash: bytes32("dd"),
  startedAt: NOW_MS,
  durationMs: 12,
};

/** A ledger in a folder of its own. */
export async function openLedger() {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "ledger.db");
  const options: SqliteLedgerOptions = {
    path,
    now: () => NOW_MS,
    settleWindowSeconds: () => SETTLE_WINDOW,
    thawingPeriodSeconds: THAWING_PERIOD,
    operatorLimits: () => null,
  };
  const ledger = await openSqliteLedger(options);
  return {
    ledger,
    path,
    options,
    async [Symbol.asyncDispose]() {
      await ledger.close().catch(() => {});
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** Holds a credit, which must be there. */
export async function holdOne(
  ledger: Ledger,
  draw: Draw,
  view: PayerView,
  source: Source = "allowance",
): Promise<Held> {
  const held = await ledger.hold(draw, view, source);
  assert.ok(held.payable, held.payable ? "" : held.refusal.reason);
  return held;
}

/** A call from its hold to its charge. */
export async function sell(ledger: Ledger, draw: Draw, view: PayerView): Promise<void> {
  await ledger.charge(await holdOne(ledger, draw, view), "answered", null);
}

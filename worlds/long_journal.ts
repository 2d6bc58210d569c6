/** A journal as calls write it, of any length, and its table with nothing above it. */
import { type Address, getAddress, type Hex } from "viem";
import type { CidText } from "../lib/cid.ts";
import { toRow } from "../lib/provider/ledger/codec.ts";
import {
  Maintenance,
  type MaintenanceOptions,
} from "../lib/provider/ledger/archive/maintenance.ts";
import type { Layout } from "../lib/provider/ledger/archive/schema.ts";
import type { Entry, LaneId } from "../lib/provider/ledger/journal.ts";
import { JournalTable } from "../lib/provider/ledger/journal_table.ts";
import { breathe } from "../lib/slices.ts";
import { UINT64_MAX } from "../lib/permit.ts";
import type { Random } from "./random.ts";

const hex = (number: number, bytes: number): Hex =>
  `0x${number.toString(16).padStart(2 * bytes, "0")}`;

export const payerAt = (number: number): Address => getAddress(hex(number + 1, 20));
export const cidAt = (number: number) => `bafkrei${String(number).padStart(52, "a")}` as CidText;

/** The lane that a payer has for a deployment. */
export const laneAt = (payer: number, cid: number): Hex => hex(payer * 1_000 + cid + 1, 32);

export interface Customers {
  readonly payers: number;
  readonly deployments: number;
  /** How many of the charges have a receipt, from 0 to 1. */
  readonly receipts: number;
}

/** Entries that contradict nothing, for ever; runs overlap, and some end long after they began. */
export function* entriesOf(random: Random, customers: Customers): Generator<Entry, never> {
  const charged = new Map<Hex, bigint>();
  const open: (LaneId & { reservation: number; cid: CidText })[] = [];
  for (let reservation = 1;; reservation++) {
    const payer = random.between(0, customers.payers - 1);
    const deployment = random.between(0, customers.deployments - 1);
    const cid = cidAt(deployment);
    const id = { payer: payerAt(payer), lane: laneAt(payer, deployment) };
    if (!charged.has(id.lane)) {
      charged.set(id.lane, 0n);
      yield { kind: "open", ...id, charged: 0n };
      yield { kind: "permit", ...id, permit: permitFor(id), signer: id.payer };
    }
    const price = BigInt(random.between(1, 2) * 1_000);
    yield { kind: "reserve", ...id, reservation, cid, price };
    open.push({ ...id, reservation, cid });
    while (open.length > random.between(0, 6)) {
      const [run] = open.splice(random.between(0, open.length - 1), 1);
      yield endOf(random, run!, charged, random.chance(customers.receipts));
    }
    if (random.chance(0.02)) yield settled(id, charged.get(id.lane)!, reservation);
    if (random.chance(0.005)) {
      const skip = { reason: 'a "quoted" reason', transaction: hex(reservation, 32) };
      yield { kind: "skip", ...id, charged: charged.get(id.lane)!, ...skip };
    }
  }
}

function endOf(
  random: Random,
  { payer, lane, reservation, cid }: LaneId & { reservation: number; cid: CidText },
  charged: Map<Hex, bigint>,
  isReceipted: boolean,
): Entry {
  const id = { payer, lane, reservation };
  if (random.chance(0.1)) return { kind: "release", ...id, reason: "unused" };
  const count = charged.get(lane)! + 1n;
  charged.set(lane, count);
  if (!isReceipted) return { kind: "charge", ...id, outcome: "answered" };
  const hash = () => hex(random.between(1, 2 ** 48), 32);
  const facts = { cid, price: 1_000n, charged: count, credits: random.between(1, 2) };
  const times = { startedAt: 1_700_000_000_000 + reservation, durationMs: 7 };
  const run = { requestHash: random.chance(0.1) ? null : hash(), responseHash: hash(), ...times };
  return { kind: "charge", ...id, outcome: "answered", facts: { ...facts, ...run } };
}

function settled(id: LaneId, count: bigint, block: number): Entry {
  const transaction = block % 2 === 0 ? null : hex(block, 32);
  return { kind: "settle", ...id, settled: count, block: BigInt(block), transaction };
}

function permitFor({ payer, lane }: LaneId) {
  const rest = { price: 2_000n, credits: 1_000_000n, deadline: UINT64_MAX, epoch: 0 };
  return { payer, provider: payerAt(9_999), lane, ...rest, signature: hex(7, 65) };
}

/** Small enough that some hundred rows fill several files. */
export const SMALL: Layout = { blockRows: 8, spanRows: 32, segmentRows: 64 };

/** A journal that is written by hand. */
export class LongJournal {
  /** What was written, in order: row `seq` stands at `seq - 1`. */
  readonly entries: Entry[] = [];

  private constructor(readonly path: string, readonly table: JournalTable) {}

  static async open(path: string): Promise<LongJournal> {
    return new LongJournal(path, await JournalTable.open(path));
  }

  /** When the row `seq` is written, Unix ms: the clock goes back now and then. */
  static at(seq: number): number {
    return 1_700_000_000_000 + seq * 10 - (seq % 50 === 0 ? 400 : 0);
  }

  write(entries: Iterable<Entry>, isSynced = true): void {
    const rows = [];
    for (const entry of entries) {
      this.entries.push(entry);
      rows.push(toRow(entry, LongJournal.at(this.entries.length)));
    }
    this.table.write(rows, isSynced);
  }

  /** Its upkeep, which rests no longer than a turn of the event loop. */
  maintenance(options: Partial<MaintenanceOptions> = {}): Maintenance {
    const { path, table } = this;
    const onTrouble = (error: unknown) => {
      throw error;
    };
    return new Maintenance({
      database: table.database,
      path,
      sync: () => table.sync(),
      layout: SMALL,
      rest: breathe,
      onTrouble,
      ...options,
    });
  }

  close(): void {
    this.table.close();
  }
}

/** So many of what comes next. */
export function next<T>(from: Iterator<T>, count: number): T[] {
  return Array.from({ length: count }, () => from.next().value);
}

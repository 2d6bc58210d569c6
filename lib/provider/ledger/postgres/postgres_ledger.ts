/**
 * The ledger of a fleet's node: the database decides, in turns (fleet/schema/turn.ts). What this
 * node knows of payers is good enough to judge by, and to say yes where the database grants; a no
 * is said on what the database told after the call came. What is held ahead is a call's at once.
 */
import type { Address, Hex } from "viem";
import type { Log } from "../../../log.ts";
import type { Permit } from "../../../permit.ts";
import type { Database } from "../../fleet/database.ts";
import { unavailable } from "../../fleet/trouble.ts";
import { type Book, emptyBook, laneOf, outstandingOf } from "../book.ts";
import type { Until } from "../group_commit.ts";
import {
  type Draw,
  judge,
  type Judgement,
  type PayerView,
  type Position,
  settledBefore,
  type Settling,
  type Source,
  usedOn,
} from "../judge.ts";
import type { LaneId, Outcome } from "../journal.ts";
import type {
  Basis,
  ChainFact,
  DueLane,
  Held,
  LaneFigures,
  LaneState,
  Ledger,
  RunFacts,
  Standing,
  Totals,
} from "../ledger.ts";
import type { ReceiptedCharge } from "../store.ts";
import { standingOf } from "../told_lane.ts";
import { makeWant, type Said } from "./lane_desk.ts";
import type { LookJson } from "./lane_json.ts";
import { LaneReader, type LaneSums } from "./lane_reader.ts";
import { LeasedRates } from "./leased_rates.ts";
import type { PayerDesk } from "./payer_desk.ts";
import { PayerDesks } from "./payer_desks.ts";
import { sessionLost } from "./lost_session.ts";
import { Pump } from "./pump.ts";

export interface PostgresLedgerOptions {
  database: Database;
  /** Of this node, now. */
  session(): number;
  /** Its session was given up by others: resolves when it has another. */
  renew(): Promise<void>;
  /** Its session lives, and is given up: resolves when it has another. */
  giveUp(): Promise<void>;
  /** When and how what is promised gets settled. */
  settling(): Settling;
  /** What the other nodes hold may still cost, USDC base units. */
  heldElsewhere(): bigint;
  log: Log;
  /** Unix ms. */
  now(): number;
  /** Ms, by a clock that only goes on. */
  elapsed?(): number;
  /** Half seconds after which a payer that nobody asked for is known here no more. */
  idleSweeps?: number;
  /** Of a payer with more lanes those that nobody asked for are known no more. */
  lanes?: number;
}

/** Amounts are USDC base units. */
export interface HeldHere {
  /** By runs. */
  readonly heldUsdc: bigint;
  /** For runs to come. */
  readonly aheadCredits: number;
  readonly aheadUsdc: bigint;
}

type No = Extract<Judgement, { payable: false }>;

/** A session's reservations begin at its number times this. */
const SESSION_STEP = 2 ** 32;

export class PostgresLedger implements Ledger {
  readonly #options: PostgresLedgerOptions;
  readonly #desks: PayerDesks;
  readonly #book: Book = emptyBook();
  readonly #position: Position;
  readonly #reader: LaneReader;
  readonly #pump: Pump;
  readonly #rates: LeasedRates;
  readonly #elapsed: () => number;
  #session: number;
  #reservations = 0;
  /** This node's calls that hold credits. */
  #running = 0;
  /** What this node's calls hold may still cost. */
  #heldAmount = 0n;
  #sums: LaneSums = { unsettled: 0n, dueLanes: 0 };
  #renewing: Promise<void> | null = null;
  #holdsAhead = true;

  constructor(options: PostgresLedgerOptions) {
    this.#options = options;
    this.#elapsed = options.elapsed ?? (() => performance.now());
    this.#session = options.session();
    this.#position = {
      book: this.#book,
      preholds: {
        ofPayer: (payer) => BigInt(this.#desks.find(payer)?.lanes.spare() ?? 0),
        onLane: (payer, lane) => BigInt(this.#desks.find(payer)?.lanes.spare(lane) ?? 0),
        amount: () => this.#desks.ahead().amount,
      },
    };
    this.#reader = new LaneReader(options.database);
    this.#rates = new LeasedRates(options.database);
    this.#pump = new Pump({
      ...options,
      elapsed: this.#elapsed,
      running: () => this.#running,
      onLost: () => this.#renew(),
    });
    this.#desks = new PayerDesks({
      ...options,
      ...{ pump: this.#pump, book: this.#book, session: () => this.#session },
      judging: {
        judge: (draw, view) => this.#judge(draw, view),
        position: this.#position,
        clock: () => options.settling(),
        holdsAhead: () => this.#holdsAhead,
      },
    });
  }

  async judge(draw: Draw, view: PayerView, source: Source): Promise<Judgement> {
    assertAllowance(source);
    const known = this.#desks.get(draw.payer);
    if (known.lanes.find(draw.lane)) {
      const judgement = this.#judge(draw, view);
      if (judgement.payable) return judgement;
    }
    await this.#look(draw);
    return this.#judge(draw, view);
  }

  async hold(
    draw: Draw,
    view: PayerView,
    source: Source,
    isPooled = true,
  ): Promise<Held | No> {
    assertAllowance(source);
    return await this.#rates.counted(draw, () => this.#hold(draw, view, isPooled));
  }

  async #hold(draw: Draw, view: PayerView, isPooled: boolean): Promise<Held | No> {
    for (;;) {
      if (!this.#desks.get(draw.payer).lanes.find(draw.lane)) {
        const no = await this.#open(draw, view);
        if (no) return no;
      }
      const desk = this.#desks.get(draw.payer);
      const isAhead = isPooled && this.#judge(draw, view).payable && desk.takeAhead(draw, view);
      const said = isAhead ? null : await this.#want(desk, draw, view, isPooled);
      if (said === null) return this.#heldBy(draw, isPooled);
      if (said !== "gone") return said;
    }
  }

  async charge(held: Held, outcome: Outcome, run: RunFacts | null, _until?: Until): Promise<void> {
    const { reservation, draw: { payer, lane, cid, price } } = held;
    this.#assertOurs(reservation);
    this.#running -= 1;
    this.#heldAmount -= price;
    const desk = this.#desks.get(payer);
    const at = this.#options.now();
    const done = desk.charge(lane, { reservation, at, price, cid, outcome, facts: run });
    this.#pump.note(desk);
    await done;
  }

  release({ reservation, draw }: Held, _reason: string): void {
    const { payer, lane, price } = draw;
    this.#rates.release(draw);
    if (sessionOf(reservation) !== this.#session) return;
    this.#running -= 1;
    this.#heldAmount -= price;
    const desk = this.#desks.get(payer);
    desk.release(lane);
    this.#pump.note(desk);
  }

  /**
   * Whether a credit's charge may come to pass still: who waited for it was told that the database
   * is away, and it goes on. Of another session the database tells.
   */
  isCharging(reservation: number): boolean {
    return [...this.#desks.all()].some((desk) => desk.isCharging(reservation));
  }

  standing(draw: Draw, view: PayerView): Promise<Standing> {
    return Promise.resolve(standingOf(draw, view, this.#position));
  }

  async used(lane: LaneId, view: PayerView): Promise<bigint> {
    await this.#look(lane);
    return usedOn(lane, view, this.#position);
  }

  async usedUp(id: LaneId): Promise<Permit | null> {
    await this.#look(id);
    return laneOf(this.#book, id.payer, id.lane)?.usedUp.best ?? null;
  }

  unsettled(payer: Address): bigint {
    const lanes = this.#desks.find(payer)?.lanes;
    return lanes ? outstandingOf(lanes.account) - BigInt(lanes.spare()) : 0n;
  }

  knows(payer: Address, lane?: Hex): boolean {
    const lanes = this.#desks.find(payer)?.lanes;
    return lanes !== undefined &&
      (lane === undefined ? lanes.accountId !== "" : lanes.find(lane) !== undefined);
  }

  basis(payer: Address, lane: Hex, block: bigint): Promise<Basis> {
    return this.#reader.basis(payer, lane, block);
  }

  due(): Promise<DueLane[]> {
    return this.#reader.due();
  }

  dueOf(payer: Address): Promise<DueLane[]> {
    return this.#reader.due(payer);
  }

  lane(id: LaneId): Promise<LaneState | undefined> {
    return this.#reader.lane(id);
  }

  unsure(block: bigint): Promise<LaneState[]> {
    return this.#reader.unsure(block);
  }

  settledAbove(block: bigint): Promise<LaneState[]> {
    return this.#reader.settledAbove(block);
  }

  refused(payer: Address): Promise<LaneState[]> {
    return this.#reader.refused(payer);
  }

  async record(facts: readonly ChainFact[]): Promise<void> {
    await this.#reader.record(facts);
  }

  receipted(reservation: number): Promise<ReceiptedCharge | undefined> {
    return this.#reader.receipted(reservation);
  }

  totals(): Totals {
    const { heldUsdc, aheadUsdc } = this.heldHere();
    const held = heldUsdc + aheadUsdc + this.#options.heldElsewhere();
    return { ...this.#sums, held, preheld: aheadUsdc };
  }

  figures(): Promise<LaneFigures> {
    return this.#reader.figures();
  }

  /** What this node holds, of which the others count what it may still cost. */
  heldHere(): HeldHere {
    const { credits: aheadCredits, amount: aheadUsdc } = this.#desks.ahead();
    return { heldUsdc: this.#heldAmount, aheadCredits, aheadUsdc };
  }

  /** Sums over all lanes are as of now; each beat asks for them. */
  async refresh(): Promise<void> {
    this.#sums = await this.#reader.sums();
    this.#book.unsettledAmount = this.#sums.unsettled;
    this.#book.heldAmount = this.totals().held;
  }

  /**
   * Blocks above `block` have gone: of ceilings, what is read from now on binds all nodes.
   * @throws KhachapuriError `database_unavailable`
   */
  async forgetAbove(block: bigint): Promise<void> {
    for (const desk of this.#desks.all()) desk.forgetAbove(block);
    await this.#reader.forgetAbove(block);
  }

  /** This node has another session: what it held before is held no more. */
  beginAnew(): void {
    this.#session = this.#options.session();
    this.#reservations = 0;
    this.#running = 0;
    this.#heldAmount = 0n;
    for (const desk of this.#desks.all()) {
      desk.beginAnew();
      this.#pump.note(desk);
    }
  }

  stopHolding(): void {
    this.#holdsAhead = false;
    for (const desk of this.#desks.all()) {
      desk.giveBackAhead();
      this.#pump.note(desk);
    }
  }

  /** Resolves when what was queued is carried out, or the database is away. */
  async close(): Promise<void> {
    this.#desks.close();
    this.stopHolding();
    this.#pump.close();
    await this.#pump.drained();
    await this.#rates.close();
  }

  #judge(draw: Draw, view: PayerView): Judgement {
    return judge(draw, view, this.#position, this.#options.settling(), "allowance");
  }

  async #look({ payer, lane }: LaneId): Promise<void> {
    const desk = this.#desks.get(payer);
    await this.#pump.look(desk, lane);
    this.#desks.keep(desk);
  }

  /** The lane of a call that can be paid is there when it resolves; else why it cannot. */
  async #open(draw: Draw, view: PayerView): Promise<No | null> {
    const { payer, lane } = draw;
    await this.#look(draw);
    if (this.#desks.get(payer).lanes.find(lane)) return null;
    const judgement = this.#judge(draw, view);
    if (!judgement.payable) return judgement;
    const desk = this.#desks.get(payer);
    const opened = String(settledBefore(draw, view));
    await this.#pump.alone(desk, async () => {
      const askedAt = this.#elapsed();
      const [row] = await this.#options.database.ask<{ look: LookJson }>(
        "SELECT open_1($1, $2, $3) AS look",
        [payer, lane, opened],
      );
      desk.lanes.take(row!.look, askedAt);
    });
    this.#desks.keep(desk);
    return null;
  }

  #want(desk: PayerDesk, draw: Draw, view: PayerView, isPooled: boolean): Promise<Said> {
    const { want, said } = makeWant({ draw, view, isPooled, since: this.#elapsed() });
    desk.want(want);
    this.#pump.note(desk);
    return said;
  }

  #heldBy(draw: Draw, isPooled: boolean): Held {
    this.#heldAmount += draw.price;
    this.#running += 1;
    this.#desks.get(draw.payer).begin(draw.lane);
    const reservation = this.#session * SESSION_STEP + ++this.#reservations;
    return { payable: true, reservation, draw, isPooled };
  }

  #assertOurs(reservation: number): void {
    if (sessionOf(reservation) !== this.#session) throw sessionLost();
  }

  /** Once, however many payers' turns have told of it. */
  async #renew(): Promise<void> {
    this.#renewing ??= this.#beginAnother(this.#session).finally(() => this.#renewing = null);
    await this.#renewing;
  }

  async #beginAnother(before: number): Promise<void> {
    const { renew, giveUp, log } = this.#options;
    await renew();
    if (this.#session !== before) return;
    // The database knows of fewer turns than this node took, as after a restore: it has no more.
    log.warn("turns of a session are lost, which is given up");
    await giveUp();
    if (this.#session === before) throw unavailable();
  }
}

function sessionOf(reservation: number): number {
  return Math.floor(reservation / SESSION_STEP);
}

function assertAllowance(source: Source): void {
  // `settlement.mode` "each" is refused in a fleet.
  if (source !== "allowance") throw new Error("a fleet's credits come from allowances alone");
}

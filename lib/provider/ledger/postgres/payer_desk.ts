/**
 * What this node has queued for one payer: charges, releases, and calls that want a credit. All of
 * it goes as one turn, one turn at a time; what comes meanwhile shares the next.
 */
import type { Address, Hex } from "viem";
import { DEPLOYMENT_CONCURRENCY_MAX } from "../../../limits.ts";
import {
  type Clock,
  type Draw,
  isKept,
  type Judgement,
  ownPermit,
  type PayerView,
  type Position,
  roomFor,
  usedOn,
} from "../judge.ts";
import { takePermit } from "../lane.ts";
import { permitsState } from "../lane_state.ts";
import { type LaneDesk, type Sent, tellCharged, type Want } from "./lane_desk.ts";
import { chargeUnknown, sessionLost } from "./lost_session.ts";
import { type AheadSums, PayerLanes } from "./payer_lanes.ts";
import type { ChargeRow, LaneTurn, TurnAnswer, Wanted } from "./turn.ts";

/** What judges a want, and what it is judged by. */
export interface Judge {
  judge(draw: Draw, view: PayerView): Judgement;
  readonly position: Position;
  clock(): Clock;
  /** Whether credits are held for calls to come. */
  holdsAhead(): boolean;
}

/** What of a lane's wants goes with its next turn. */
interface Considered {
  readonly wants: readonly Want[];
  readonly wanted: readonly Wanted[];
  /** Credits, used or held, on which they were judged. */
  readonly promised: bigint;
  /** Where it needs permits that the lane did not have: takes them back. */
  readonly undoPermits: (() => void) | null;
}

const NOTHING_WANTED: Considered = { wants: [], wanted: [], promised: 0n, undoPermits: null };

/** So many turns may go without what was judged payable, before the database's word is the no. */
const TRIES = 4;

export class PayerDesk {
  readonly lanes: PayerLanes;
  /** Of the newest view that a call brought. */
  #ceiling = 0n;
  #block = -1n;
  #sent: readonly Sent[] | null = null;
  /** The same of a session that is over: whether it was carried out is not known yet. */
  #past: readonly Sent[] = [];
  /** Nobody waits for what is under way any more. */
  #isAbandoned = false;
  /** What has to be done before any turn, and was not, as far as is known; it may be done twice. */
  owes: (() => Promise<void>) | null = null;
  /** Sweeps since it was used. */
  idleSweeps = 0;
  /** Credits that runs of this node hold. */
  runs = 0;

  /** @param turn which no turn of this node had that is forgotten, nor a later one */
  constructor(
    readonly payer: Address,
    private readonly judging: Judge,
    sums: AheadSums,
    turn?: number,
  ) {
    this.lanes = new PayerLanes(payer, sums, turn);
  }

  get isQueued(): boolean {
    return this.lanes.isQueued;
  }

  want(want: Want): void {
    this.#wantOn(this.lanes.get(want.draw.lane), want);
  }

  /** The database knows of no turn of this session on the lanes that held nothing in the end. */
  forgetTurns(lanes: Iterable<LaneDesk>): void {
    this.owes = null;
    for (const desk of lanes) desk.forgetTurns();
  }

  /** A call has a credit of the lane from now on. */
  begin(lane: Hex): void {
    const desk = this.lanes.get(lane);
    desk.idleSweeps = 0;
    desk.runs += 1;
    this.runs += 1;
  }

  /** Whether a credit that is held ahead is the draw's; it is taken then. */
  takeAhead(draw: Draw, view: PayerView): boolean {
    const desk = this.lanes.find(draw.lane);
    if (desk === undefined) return false;
    desk.pooled = { draw, view };
    this.#see(view);
    if (!isKept(desk.lane, draw.permit)) return false;
    return desk.ahead.take();
  }

  /** The run has ended; resolves when its charge is committed. */
  charge(lane: Hex, row: ChargeRow): Promise<void> {
    const desk = this.#end(lane);
    desk.rows.push(row);
    this.lanes.queue(desk, 1, 0);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    desk.waiters.push({ resolve, reject });
    return promise;
  }

  /** Whether the charge of a credit is queued or under way, whoever waits for it. */
  isCharging(reservation: number): boolean {
    const queued = [...this.lanes.all()].flatMap(({ rows }) => rows);
    const sent = [...this.#past, ...this.#sent ?? []].flatMap(({ turn }) => turn.rows);
    return [...queued, ...sent].some((row) => row.reservation === reservation);
  }

  /** The run has ended and is free. */
  release(lane: Hex): void {
    this.#giveBack(this.#end(lane), 1);
  }

  #end(lane: Hex): LaneDesk {
    const desk = this.lanes.get(lane);
    desk.runs -= 1;
    this.runs -= 1;
    return desk;
  }

  #wantOn(desk: LaneDesk, want: Want): void {
    desk.idleSweeps = 0;
    desk.wants.push(want);
    this.lanes.note(desk);
  }

  #giveBack(desk: LaneDesk, credits: number): void {
    if (credits === 0) return;
    desk.releases += credits;
    this.lanes.queue(desk, 0, credits);
  }

  /** What is held ahead, on all lanes, goes back. */
  giveBackAhead(): void {
    for (const desk of this.lanes.all()) this.#giveBack(desk, desk.ahead.giveBack());
  }

  /** What nobody has missed for half a second goes back. */
  sweep(): void {
    if (this.lanes.spare() === 0) return;
    for (const desk of this.lanes.all()) this.#giveBack(desk, desk.ahead.sweep());
  }

  /** The lane of a want that can only be refused on newer knowledge than there is; null: none. */
  laneToLookAt(): Hex | null {
    for (const { lane, wants, askedAt } of this.lanes.queued()) {
      const isOld = (want: Want) => want.since > askedAt && !this.#judge(want).payable;
      if (wants.some(isOld)) return lane.lane;
    }
    return null;
  }

  /** All that is queued, as one turn of each lane; it is under way from then on. */
  compose(): LaneTurn[] {
    const considered = new Map(this.lanes.queued().map((desk) => [desk, this.#consider(desk)]));
    // Giving back what was held ahead has queued more. What will be is of what no call wants here.
    const sent = this.lanes.takeQueued().flatMap((desk) => {
      return this.#composeLane(desk, considered.get(desk) ?? NOTHING_WANTED) ?? [];
    });
    this.#isAbandoned = false;
    this.#sent = sent.length > 0 ? sent : null;
    return sent.map(({ turn }) => turn);
  }

  /** The turn was carried out, or was before. @returns false: the session's holds had gone */
  answer(answers: ReadonlyMap<string, TurnAnswer>, askedAt: number): boolean {
    const isCarriedOut = this.#take(answers, askedAt);
    this.#past = [];
    this.#sent = null;
    return isCarriedOut;
  }

  #take(answers: ReadonlyMap<string, TurnAnswer>, askedAt: number): boolean {
    const answerTo = (part: Sent) => [part, answers.get(part.desk.id) ?? null] as const;
    for (const [part, answer] of this.#past.map(answerTo)) {
      tellCharged(part, answer?.fate ?? "lost");
    }
    const each: [Sent, TurnAnswer][] = [];
    for (const [part, answer] of (this.#sent ?? []).map(answerTo)) {
      if (answer === null) this.#reopen(part);
      else each.push([part, answer]);
    }
    if (each.some(([, { fate }]) => fate === "lost" || fate === "past")) {
      for (const [part, { fate }] of each) {
        tellCharged(part, fate);
        this.#wantAnew(part);
      }
      return false;
    }
    for (const [part, { anew }] of each) if (!anew) part.undoPermits?.();
    this.lanes.takeAnswers(each.map(([{ desk }, answer]) => [desk, answer]), askedAt);
    for (const [part, { granted }] of each) this.#grant(part, granted);
    return true;
  }

  /** The database is away: nobody waits any more, and what is under way goes again. */
  stopWaiting(error: unknown): void {
    this.#isAbandoned = true;
    const underWay = chargeUnknown(error);
    for (const { waiters, wants } of [...this.#past, ...this.#sent ?? []]) {
      for (const { reject } of waiters) reject(underWay);
      for (const want of wants) want.fail(error);
    }
    for (const desk of this.lanes.queued()) {
      const { rows, waiters } = desk;
      Object.assign(desk, { rows: [], waiters: [] });
      // Nobody was answered: what these runs held is free.
      desk.releases += rows.length;
      this.lanes.queue(desk, -rows.length, rows.length);
      for (const { reject } of waiters) reject(error);
      for (const want of desk.takeWants()) want.fail(error);
      this.lanes.tidy(desk);
    }
  }

  /** The turn was refused as a whole: nothing of it was carried out, nor will be. */
  drop(error: unknown): void {
    this.stopWaiting(error);
    for (const { undoPermits } of this.#sent ?? []) undoPermits?.();
    this.#sent = null;
    this.#past = [];
  }

  /** What was held is held no more, and the runs that held it cost nothing. */
  beginAnew(): void {
    for (const part of this.#sent ?? []) this.#wantAnew(part);
    this.#past = (this.#sent ?? this.#past).map((part) => ({ ...part, wants: [] }));
    this.#sent = null;
    this.owes = null;
    this.runs = 0;
    for (const desk of this.lanes.all()) {
      desk.runs = 0;
      for (const { reject } of desk.takeEnded().waiters) reject(sessionLost());
      desk.forgetTurns();
      desk.askedAt = -Infinity;
      desk.ahead.beginAnew();
    }
  }

  /** Nobody had charged or held anything on the lane, so another node has had it removed. */
  #reopen({ desk, wants, waiters }: Sent): void {
    this.lanes.forget(desk);
    desk.ahead.beginAnew();
    for (const { reject } of [...waiters, ...desk.takeEnded().waiters]) reject(sessionLost());
    for (const want of [...wants, ...desk.takeWants()]) want.reopen();
  }

  /** What it wanted is queued again, unless nobody waits for it. */
  #wantAnew({ desk, wants, undoPermits }: Sent): void {
    undoPermits?.();
    if (this.#isAbandoned) return;
    desk.wants.unshift(...wants);
    this.lanes.note(desk);
  }

  #judge({ draw, view }: Want): Judgement {
    return this.judging.judge(draw, view);
  }

  /** What was read above the block may not be so any more. */
  forgetAbove(block: bigint): void {
    if (this.#block > block) this.#block = block;
  }

  /** Of all views the newest one's ceiling goes with a turn. */
  #see({ ceiling, block }: PayerView): void {
    if (block < this.#block) return;
    this.#ceiling = ceiling;
    this.#block = block;
  }

  /** The wants that go with the next turn. */
  #consider(desk: LaneDesk): Considered {
    const { permits, usedUp, refused, charged, held } = desk.lane;
    const wants: Want[] = [];
    const wanted: Wanted[] = [];
    for (const want of desk.takeWants()) {
      const most = this.#accept(desk, want);
      if (most === null) continue;
      wants.push(want);
      wanted.push({ count: 1, most });
    }
    const undo = () => void Object.assign(desk.lane, { permits, usedUp, refused });
    const undoPermits = desk.lane.permits === permits ? null : undo;
    return { wants, wanted, promised: charged + held, undoPermits };
  }

  #composeLane(
    desk: LaneDesk,
    { wants, wanted, promised, undoPermits }: Considered,
  ): Sent | null {
    const { lane, version } = desk;
    const isDue = desk.isEnding || wanted.length > 0;
    const ahead = isDue && !undoPermits ? this.#aheadOf(desk) : null;
    const { rows, releases, waiters } = desk.takeEnded();
    // What waits for a look is queued still.
    if (desk.isQueued) this.lanes.note(desk);
    if (!isDue) return null;
    const turn: LaneTurn = {
      account: this.lanes.accountId,
      lane: desk.id,
      turn: desk.turn + 1,
      first: desk.firstTurn,
      version,
      rows,
      releases,
      wanted: ahead ? [...wanted, ahead] : wanted,
      ceiling: this.#ceiling,
      block: this.#block,
      permits: undoPermits ? permitsState(lane) : null,
      promised,
    };
    return { desk, turn, wants, ahead: ahead?.count ?? 0, waiters, undoPermits };
  }

  /**
   * Lets a want go with the turn: how many credits its permit covers. Null: it has a credit that
   * was held ahead, was refused, or waits for a look.
   */
  #accept(desk: LaneDesk, want: Want): bigint | null {
    const { draw, view, isPooled } = want;
    const { lane } = desk;
    const judgement = this.#judge(want);
    if (!judgement.payable) {
      if (want.since > desk.askedAt) this.#wantOn(desk, want);
      else want.refuse(judgement);
      return null;
    }
    this.#see(view);
    if (isPooled) desk.pooled = { draw, view };
    if (isPooled && isKept(lane, draw.permit) && desk.ahead.takeLate()) {
      want.grant();
      return null;
    }
    const { position } = this.judging;
    const own = ownPermit(draw, view, position, this.judging.clock());
    const isShort = own === null || roomFor({ ...draw, permit: own }, view, position.book) <= 0n;
    // What is held ahead is first of all for a call that is here, and held by the lane's permits.
    if (isShort && this.lanes.spare() > 0) this.giveBackAhead();
    if (own === null) {
      takePermit(lane, { permit: draw.permit, signer: view.signer });
      lane.refused = null;
    }
    lane.held += 1n;
    this.lanes.account.held += 1n;
    return (own ?? draw.permit).credits;
  }

  /** Credits for calls to come, where nothing is against as many; null: none. */
  #aheadOf(desk: LaneDesk): Wanted | null {
    const { lane, pooled, ahead } = desk;
    if (pooled === null || lane.refused !== null || !this.judging.holdsAhead()) return null;
    const { draw, view } = pooled;
    if (!isKept(lane, draw.permit)) return null;
    const { position } = this.judging;
    const count = Math.min(ahead.wanted(), Number(roomFor(draw, view, position.book)));
    // Others have calls on the lane as well: what a permit hardly covers is for who comes.
    const left = draw.permit.credits - usedOn(draw, view, position);
    if (count <= 0 || left < DEPLOYMENT_CONCURRENCY_MAX) return null;
    ahead.ask(count);
    return { count, most: draw.permit.credits };
  }

  #grant({ desk, wants, ahead, waiters }: Sent, granted: number): void {
    for (const { resolve } of waiters) resolve();
    const forWants = Math.min(granted, wants.length);
    if (this.#isAbandoned) this.#giveBack(desk, forWants);
    else {
      for (const want of wants.slice(0, forWants)) want.grant();
      for (const want of wants.slice(forWants)) this.#goOn(desk, want);
    }
    if (ahead > 0) desk.ahead.answer(ahead, granted - forWants);
  }

  /** It was payable as it was known here; now the lane is known anew. */
  #goOn(desk: LaneDesk, want: Want): void {
    want.tries += 1;
    if (want.tries < TRIES) return this.#wantOn(desk, want);
    // Another node has seen a later block, at which the payer allows less.
    const { position } = this.judging;
    const used = usedOn(want.draw, want.view, position);
    want.refuse({ payable: false, refusal: { reason: "no_credits" }, used });
  }
}

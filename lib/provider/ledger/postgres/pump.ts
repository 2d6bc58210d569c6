/**
 * Carries what payers' desks have queued to the database: of each payer one thing at a time, a turn
 * or a look in turns, and of as many payers as are ready in one statement. So a turn's answer has
 * all that this node did, and what it knows of a payer never goes back in time.
 */
import type { Hex } from "viem";
import { asKhachapuriError, type KhachapuriError } from "../../../errors.ts";
import type { Log } from "../../../log.ts";
import { type Database, PATIENCE_MS } from "../../fleet/database.ts";
import { Gathering, type Queued } from "./gathering.ts";
import type { LookJson } from "./lane_json.ts";
import type { PayerDesk } from "./payer_desk.ts";
import { type LaneTurn, takeTurns, type TurnAnswer } from "./turn.ts";

export interface PumpOptions {
  database: Database;
  /** Of this node, now. */
  session(): number;
  /** What it held was given back: resolves when a new session has begun. */
  onLost(): Promise<void>;
  log: Log;
  /** Calls of this node that hold credits. */
  running(): number;
  /** Ms, by a clock that only goes on. */
  elapsed(): number;
}

/** Statements with turns at a time: looks, beats and others find a connection beside them. */
const STATEMENTS = 2;
/** Lanes of one statement. */
const LANES = 256;

interface Asked {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What a desk waits for. */
interface Place {
  isBusy: boolean;
  /** The last thing was a job: what is queued goes first. */
  wasJob: boolean;
  /** What goes by itself, in its turn. */
  jobs: (() => Promise<void>)[];
  /** Lanes that somebody waits to know: of those some job will look at. */
  looks: Map<Hex, Asked>;
}

export class Pump {
  readonly #options: PumpOptions;
  readonly #places = new Map<PayerDesk, Place>();
  readonly #ready = new Set<PayerDesk>();
  readonly #gathering: Gathering;
  /** When what is gathered goes. */
  #timer: ReturnType<typeof setTimeout> | null = null;
  #statements = 0;
  /** Credits that turns under way charge or give back. */
  #underWay = 0;
  #isScheduled = false;
  #isClosed = false;
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#gathering = new Gathering(options.elapsed);
  }

  /** Something is queued at the desk; all that is in this turn of the event loop goes together. */
  note(desk: PayerDesk): void {
    this.#ready.add(desk);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#run();
    });
  }

  /** Asks what the database knows of a lane; the desk knows it when this resolves. */
  async look(desk: PayerDesk, lane: Hex): Promise<void> {
    const { looks, jobs } = this.#placeOf(desk);
    // Who asks while the answer is on its way asks again: it may be older than the question.
    const known = looks.get(lane);
    if (known) return await known.promise;
    const asked = Promise.withResolvers<void>();
    looks.set(lane, asked);
    jobs.push(() => this.#look(desk, lane).then(asked.resolve, asked.reject));
    this.note(desk);
    await asked.promise;
  }

  /** Does `work` while nothing else is under way at the desk. */
  async alone(desk: PayerDesk, work: () => Promise<void>): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#placeOf(desk).jobs.push(() => work().then(done.resolve, done.reject));
    this.note(desk);
    await done.promise;
  }

  /** Whether the desk has nothing under way. */
  isIdle(desk: PayerDesk): boolean {
    const place = this.#places.get(desk);
    return place === undefined || (!place.isBusy && place.jobs.length === 0);
  }

  forget(desk: PayerDesk): void {
    this.#places.delete(desk);
    this.#ready.delete(desk);
  }

  /** Resolves when nothing is queued or under way. */
  async drained(): Promise<void> {
    if (this.#ready.size === 0 && this.#statements === 0 && !this.#isAnyBusy()) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  /** Nothing is sent again from now on. */
  close(): void {
    this.#isClosed = true;
  }

  #placeOf(desk: PayerDesk): Place {
    return this.#places.getOrInsertComputed(desk, () => {
      return { isBusy: false, wasJob: false, jobs: [], looks: new Map() };
    });
  }

  #run(): void {
    const together: PayerDesk[] = [];
    const turns: LaneTurn[] = [];
    const isGathering = this.#gathers();
    for (const desk of [...this.#ready]) {
      const place = this.#placeOf(desk);
      if (place.isBusy) continue;
      if (this.#startJob(desk, place)) continue;
      if (isGathering || this.#statements >= STATEMENTS || turns.length >= LANES) continue;
      this.#ready.delete(desk);
      const own = desk.compose();
      if (own.length > 0) {
        Object.assign(place, { isBusy: true, wasJob: false });
        together.push(desk);
        turns.push(...own);
      } else if (desk.isQueued || place.jobs.length > 0) this.note(desk);
    }
    if (turns.length > 0) this.#send(together, turns);
    this.#tellIdle();
  }

  /** Whether what is queued waits for more, till the timer runs it. */
  #gathers(): boolean {
    const queued = this.#queued();
    if (queued.ended === 0 || this.#isClosed) return false;
    const waitMs = this.#gathering.waitMs(queued);
    if (waitMs > 0) {
      this.#timer ??= setTimeout(() => {
        this.#timer = null;
        this.#run();
      }, waitMs);
    }
    return waitMs > 0;
  }

  #queued(): Queued {
    let [ended, isWanted] = [0, false];
    for (const { lanes } of this.#ready) {
      ended += lanes.ended;
      isWanted ||= lanes.isWanted;
    }
    return { ended, isWanted, running: this.#options.running() };
  }

  /** @returns whether the desk is busy with a job now */
  #startJob(desk: PayerDesk, place: Place): boolean {
    if (place.wasJob && desk.isQueued && desk.owes === null) {
      place.wasJob = false;
      return false;
    }
    const job = this.#owed(desk) ?? place.jobs.shift() ?? this.#neededLook(desk);
    if (job === null) return false;
    Object.assign(place, { isBusy: true, wasJob: true });
    job().finally(() => this.#free(desk));
    return true;
  }

  /** What goes before all that is queued; who waits is told where it cannot be done. */
  #owed(desk: PayerDesk): (() => Promise<void>) | null {
    const { owes, isQueued } = desk;
    if (owes === null || !isQueued) return null;
    return () => owes().catch((error) => desk.stopWaiting(error));
  }

  /** For a call that can only be refused on newer knowledge than there is. */
  #neededLook(desk: PayerDesk): (() => Promise<void>) | null {
    const lane = desk.laneToLookAt();
    if (lane === null) return null;
    return () => this.#look(desk, lane).catch((error) => desk.stopWaiting(error));
  }

  async #look(desk: PayerDesk, lane: Hex): Promise<void> {
    const { database, elapsed } = this.#options;
    this.#placeOf(desk).looks.delete(lane);
    const askedAt = elapsed();
    const [row] = await database.ask<{ look: LookJson | null }>("SELECT look_1($1, $2) AS look", [
      desk.payer,
      lane,
    ]);
    if (row!.look) desk.lanes.take(row!.look, askedAt);
  }

  async #send(desks: readonly PayerDesk[], turns: readonly LaneTurn[]): Promise<void> {
    this.#statements += 1;
    this.#gathering.goes();
    const ends = endsOf(turns);
    this.#underWay += ends;
    try {
      // Should this node begin another meanwhile: what the turns hold is this one's.
      await this.#carryOut(this.#options.session(), desks, turns);
    } finally {
      this.#underWay -= ends;
      this.#statements -= 1;
      for (const desk of desks) this.#free(desk);
    }
  }

  async #carryOut(
    session: number,
    desks: readonly PayerDesk[],
    turns: readonly LaneTurn[],
  ): Promise<void> {
    const { log, elapsed } = this.#options;
    const askedAt = elapsed();
    let isLost = false;
    try {
      const answers = await this.#takeTurns(session, desks, turns);
      if (answers === null) return;
      // Whoever is told by it counts among those whom it took, and not as a new call yet.
      const { ended, running } = this.#queued();
      this.#gathering.took(elapsed() - askedAt, this.#underWay + ended + running);
      const byLane = new Map(answers.map((answer) => [answer.lane, answer]));
      isLost = desks.map((desk) => desk.answer(byLane, askedAt)).includes(false);
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      // One that contradicts the database is refused with all that goes with it.
      if (desks.length > 1) return await this.#oneByOne(session, desks, turns);
      log.error("a turn was refused", { payer: desks[0]!.payer, error });
      desks[0]!.drop(error);
    }
    if (isLost) await this.#beginAnew(desks);
  }

  async #oneByOne(
    session: number,
    desks: readonly PayerDesk[],
    turns: readonly LaneTurn[],
  ): Promise<void> {
    for (const desk of desks) {
      const own = turns.filter(({ account }) => account === desk.lanes.accountId);
      await this.#carryOut(session, [desk], own);
    }
  }

  /** Where no other session can be had now, nobody waits for one: who comes next tries again. */
  async #beginAnew(desks: readonly PayerDesk[]): Promise<void> {
    const { log, onLost } = this.#options;
    try {
      await onLost();
    } catch (error) {
      log.error("a session is lost, and another has not begun", {
        error: asKhachapuriError(error),
      });
      for (const desk of desks) desk.stopWaiting(asKhachapuriError(error));
    }
  }

  /**
   * Until it is known whether it was carried out: while the database is away nobody waits for it.
   * @returns null: this node closes, and whoever lives gives back what it holds
   */
  async #takeTurns(
    session: number,
    desks: readonly PayerDesk[],
    turns: readonly LaneTurn[],
  ): Promise<TurnAnswer[] | null> {
    const { database } = this.#options;
    for (;;) {
      try {
        return await takeTurns(database, session, turns, PATIENCE_MS);
      } catch (error) {
        if (asKhachapuriError(error).code !== "database_unavailable") throw error;
        for (const desk of desks) desk.stopWaiting(error as KhachapuriError);
        if (this.#isClosed) return null;
      }
    }
  }

  #free(desk: PayerDesk): void {
    const place = this.#places.get(desk);
    if (place) place.isBusy = false;
    if (desk.isQueued || (place?.jobs.length ?? 0) > 0) this.#ready.add(desk);
    this.#run();
  }

  #isAnyBusy(): boolean {
    return this.#places.values().some(({ isBusy }) => isBusy);
  }

  #tellIdle(): void {
    if (this.#idle === null || this.#ready.size > 0 || this.#statements > 0) return;
    if (this.#isAnyBusy()) return;
    this.#idle.resolve();
    this.#idle = null;
  }
}

function endsOf(turns: readonly LaneTurn[]): number {
  return turns.reduce((ends, { rows, releases }) => ends + rows.length + releases, 0);
}

/** The payers that this node knows: from their first call until nobody has asked for a while. */
import type { Address } from "viem";
import type { Database } from "../../fleet/database.ts";
import type { Book } from "../book.ts";
import type { LaneDesk } from "./lane_desk.ts";
import { type Judge, PayerDesk } from "./payer_desk.ts";
import type { AheadSums } from "./payer_lanes.ts";
import type { Pump } from "./pump.ts";

export interface PayerDesksOptions {
  database: Database;
  pump: Pump;
  /** In which judgements find the accounts. */
  book: Book;
  judging: Judge;
  session(): number;
  /** Sweeps after which a payer that nobody asked for is known no more. */
  idleSweeps?: number;
  /** Of a payer with more lanes those that nobody asked for are known no more. */
  lanes?: number;
}

/** Between two sweeps of what is held ahead, ms. */
const SWEEP_MS = 500;
/** Two minutes. */
const IDLE_SWEEPS = 240;
/** As many as a payer's deployments and agents have in use. */
const LANES = 64;
/** Lanes that one statement has forgotten. */
const LANES_AT_A_TIME = 1_000;
/** One that the database does not know is forgotten sooner: anybody can be one. */
const STRANGER_SWEEPS = 2;

export class PayerDesks {
  readonly #sums: AheadSums = { credits: 0, amount: 0n };
  readonly #desks = new Map<Address, PayerDesk>();
  /** The highest number that a turn had which is forgotten: a late copy of it is like no other. */
  #turn = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(private readonly options: PayerDesksOptions) {
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  find(payer: Address): PayerDesk | undefined {
    return this.#desks.get(payer);
  }

  /** It is in use from now on. */
  get(payer: Address): PayerDesk {
    const known = this.#desks.get(payer);
    const desk = known ?? new PayerDesk(payer, this.options.judging, this.#sums, this.#turn);
    if (!known) this.#desks.set(payer, desk);
    desk.idleSweeps = 0;
    return desk;
  }

  /** Whether the database knows it is known by now. */
  keep({ payer, lanes: { accountId, account } }: PayerDesk): void {
    if (accountId !== "") this.options.book.accounts.set(payer, account);
  }

  /** What is held ahead. */
  ahead(): Readonly<AheadSums> {
    return this.#sums;
  }

  all(): Iterable<PayerDesk> {
    return this.#desks.values();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    for (const desk of this.#desks.values()) {
      desk.sweep();
      if (desk.isQueued) this.options.pump.note(desk);
      else {
        desk.idleSweeps += 1;
        if (this.#isOver(desk)) this.#forget(desk);
      }
      this.#sweepLanes(desk);
    }
  }

  #isOver(desk: PayerDesk): boolean {
    const { idleSweeps, runs, isQueued, lanes } = desk;
    const { idleSweeps: most = IDLE_SWEEPS } = this.options;
    if (idleSweeps < (lanes.accountId === "" ? STRANGER_SWEEPS : most)) return false;
    return runs === 0 && lanes.spare() === 0 && !isQueued && this.options.pump.isIdle(desk);
  }

  /** Anybody who has a credit to spend may have any number of lanes opened. */
  #sweepLanes(desk: PayerDesk): void {
    const { idleSweeps: most = IDLE_SWEEPS, lanes = LANES } = this.options;
    if (desk.lanes.size <= lanes || desk.owes !== null) return;
    const idle: LaneDesk[] = [];
    for (const lane of desk.lanes.all()) {
      lane.idleSweeps += 1;
      if (lane.isIdle && lane.idleSweeps >= most) idle.push(lane);
    }
    if (idle.length > 0) this.#forgetLanes(desk, idle.slice(0, LANES_AT_A_TIME));
  }

  #forgetLanes(desk: PayerDesk, lanes: readonly LaneDesk[]): void {
    const { pump, database } = this.options;
    this.#oweTurns(desk, lanes);
    pump.alone(desk, async () => {
      await desk.owes?.();
      const idle = lanes.filter(({ isIdle, isTurned }) => isIdle && !isTurned);
      for (const lane of idle) desk.lanes.forget(lane);
      await database.ask("SELECT forget_lanes_1($1, $2::int8[])", [
        desk.lanes.accountId,
        arrayOf(idle.map(({ id }) => id)),
      ]);
      // While the database is away they stay known, or there, till they are forgotten again.
    }).catch(() => {});
  }

  /** Its turns begin anew should it come again: the rows that tell of them go first. */
  #forget(desk: PayerDesk): void {
    const { pump, book } = this.options;
    this.#oweTurns(desk, [...desk.lanes.all()]);
    pump.alone(desk, async () => await desk.owes?.()).then(() => {
      if (!this.#isOver(desk)) return;
      this.#desks.delete(desk.payer);
      this.#turn = Math.max(this.#turn, desk.lanes.lastTurn);
      book.accounts.delete(desk.payer);
      pump.forget(desk);
      // While the database is away it stays known.
    }, () => {});
  }

  /** Whether turns are gone is not known until that was answered: no turn goes before. */
  #oweTurns(desk: PayerDesk, lanes: readonly LaneDesk[]): void {
    const [session, turned] = [this.options.session(), lanes.filter(({ isTurned }) => isTurned)];
    const turns = turned.map(({ turn }) => turn);
    if (turned.length === 0) return;
    desk.owes = async () => {
      await this.options.database.ask(
        `DELETE FROM holds h USING unnest($2::int8[], $3::int8[]) AS t(lane, turn)
          WHERE h.session = $1 AND h.lane = t.lane AND h.turn = t.turn AND h.credits = 0`,
        [session, arrayOf(turned.map(({ id }) => id)), arrayOf(turns)],
      );
      // Of another session none was taken yet, or not by what is known here.
      if (session === this.options.session()) desk.forgetTurns(turned);
    };
  }
}

/** As PostgreSQL has an array of numbers. */
const arrayOf = (numbers: readonly (string | number)[]) => `{${numbers.join(",")}}`;

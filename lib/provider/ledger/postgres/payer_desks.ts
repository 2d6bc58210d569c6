/** The payers that this node knows: from their first call until nobody has asked for a while. */
import type { Address } from "viem";
import type { Database } from "../../fleet/database.ts";
import type { Book } from "../book.ts";
import { type Judge, PayerDesk, type Turned } from "./payer_desk.ts";
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
}

/** Between two sweeps of what is held ahead, ms. */
const SWEEP_MS = 500;
/** Two minutes. */
const IDLE_SWEEPS = 240;
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
    }
  }

  #isOver(desk: PayerDesk): boolean {
    const { idleSweeps, runs, isQueued, lanes } = desk;
    const { idleSweeps: most = IDLE_SWEEPS } = this.options;
    if (idleSweeps < (lanes.accountId === "" ? STRANGER_SWEEPS : most)) return false;
    return runs === 0 && lanes.spare() === 0 && !isQueued && this.options.pump.isIdle(desk);
  }

  /** Its turns begin anew should it come again: the rows that tell of them go first. */
  #forget(desk: PayerDesk): void {
    const { pump, book } = this.options;
    const [session, turned] = [this.options.session(), desk.turned()];
    const forgetTurns = () => this.#forgetTurns(desk, session, turned);
    // Whether they are gone is not known until that was answered: no turn goes before.
    if (turned.length > 0) desk.owes = forgetTurns;
    pump.alone(desk, async () => await desk.owes?.()).then(() => {
      if (!this.#isOver(desk)) return;
      this.#desks.delete(desk.payer);
      this.#turn = Math.max(this.#turn, desk.lanes.lastTurn);
      book.accounts.delete(desk.payer);
      pump.forget(desk);
      // While the database is away it stays known.
    }, () => {});
  }

  async #forgetTurns(desk: PayerDesk, session: number, turned: readonly Turned[]): Promise<void> {
    const [lanes, turns] = [turned.map(({ lane }) => lane), turned.map(({ turn }) => turn)];
    await this.options.database.ask(
      `DELETE FROM holds h USING unnest($2::int8[], $3::int8[]) AS t(lane, turn)
        WHERE h.session = $1 AND h.lane = t.lane AND h.turn = t.turn AND h.credits = 0`,
      [session, `{${lanes.join(",")}}`, `{${turns.join(",")}}`],
    );
    // Of another session none was taken yet, or not by what is known here.
    if (session === this.options.session()) desk.forgetTurns();
  }
}

/**
 * One node leads: it alone signs, settles and writes down what the chain told. It leads for as long
 * as it says so every second; ten seconds after its last word another one begins. By its own clock
 * it stops before that, also where it hears nothing; and by what it writes it leads no more the
 * moment another does (schema/outbox.ts), whatever clocks say.
 */
import type { Database } from "./database.ts";

/** What a leader tells of itself, as JSON. */
export type LeaderFacts = Readonly<Record<string, unknown>>;

/** One time that a node leads: statements of it carry both. */
export interface Term {
  readonly session: number;
  readonly term: number;
}

/** What all nodes know of who leads, as of the last beat. */
export interface Leader {
  /** Null: nobody does. */
  readonly session: number | null;
  /** Of the last leader that told any; empty before. */
  readonly facts: LeaderFacts;
}

export interface LeadershipOptions {
  database: Database;
  /** Of this node, as it is now. */
  session(): number;
  /** Told to the others with each beat of a leader; null: what was told stays. */
  facts?(): LeaderFacts | null;
  onGained(term: Term): void;
  onLost(term: Term): void;
  /** Told with each beat. */
  onLeader?(leader: Leader): void;
  onTrouble?(error: unknown): void;
  /** Ms, monotonic. */
  now?(): number;
  /** Between two beats, ms. */
  beatMs?: number;
}

/** In the schema, too. From before a leader asked, ms. */
const LEASE_MS = 10_000;
/** For what its clock and the database's differ in that time, ms. */
const MARGIN_MS = 1_000;
/** Between two beats, ms. */
const BEAT_MS = 1_000;
/** A beat is worth nothing once the next is due, ms. */
const BEAT_PATIENCE_MS = 900;

interface Answer {
  readonly session: number | null;
  readonly term: number;
  readonly facts: LeaderFacts;
  /** Absent where it only asked. */
  readonly isIt?: boolean;
}

export class Leadership {
  #held: Term & { readonly until: number } | null = null;
  #leader: Leader = { session: null, facts: {} };
  #timer: ReturnType<typeof setTimeout> | null = null;
  #stepDown: ReturnType<typeof setTimeout> | null = null;
  #beating: Promise<void> = Promise.resolve();
  /** Whether it would lead. */
  #isWilling = true;
  #isClosed = false;

  private constructor(private readonly options: LeadershipOptions) {}

  /** Begins to lead, where nobody does. @throws KhachapuriError `database_unavailable` */
  static async begin(options: LeadershipOptions): Promise<Leadership> {
    const leadership = new Leadership(options);
    await leadership.#beat();
    leadership.#arm();
    return leadership;
  }

  /** In which this node leads, now; null: it does not. */
  get term(): Term | null {
    this.#lookAtClock();
    return this.#held;
  }

  leader(): Leader {
    return this.#leader;
  }

  /** A beat now. */
  async beat(): Promise<void> {
    this.#beating = this.#beating
      .then(() => this.#beat())
      .catch((error) => this.options.onTrouble?.(error));
    await this.#beating;
  }

  /**
   * Leads no more, at once, and never again; another node does with its next beat. Who leads is
   * heard of still.
   * @throws KhachapuriError `database_unavailable`: the others wait until its time is over
   */
  async resign(): Promise<void> {
    this.#isWilling = false;
    this.#lose();
    // A beat that was under way may have begun to lead.
    await this.#beating;
    const { database, session } = this.options;
    await database.ask("SELECT resign_1($1)", [session()]);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#beating;
    this.#lose();
  }

  #arm(): void {
    if (this.#isClosed) return;
    const { beatMs = BEAT_MS } = this.options;
    this.#timer = setTimeout(() => this.beat().finally(() => this.#arm()), beatMs);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #beat(): Promise<void> {
    if (this.#isClosed) return;
    const askedAt = this.#now();
    const session = this.options.session();
    const before = this.term;
    const { session: leading, term, facts, isIt } = await this.#ask(session, before);
    this.#leader = { session: leading, facts };
    this.#lookAtClock();
    const goesOn = before?.session === session && before.term === term;
    // A term that has ended meanwhile, by the clock here, does not begin again.
    const leads = isIt && this.#isWilling && (!goesOn || this.#held !== null);
    if (!leads || !goesOn) this.#lose();
    if (leads) this.#hold({ session, term, until: askedAt + LEASE_MS - MARGIN_MS }, !goesOn);
    this.options.onLeader?.(this.#leader);
  }

  async #ask(session: number, held: Term | null): Promise<Answer> {
    const { database, facts } = this.options;
    const told = held === null ? null : facts?.() ?? null;
    const patience = { patienceMs: BEAT_PATIENCE_MS, isUrgent: true };
    const [row] = this.#isWilling
      ? await database.ask<{ leader: Answer }>(
        "SELECT lead_1($1, $2, $3::text::jsonb) AS leader",
        [session, held?.term ?? null, told && JSON.stringify(told)],
        patience,
      )
      : await database.ask<{ leader: Answer }>("SELECT leader_1() AS leader", [], patience);
    return row!.leader;
  }

  #hold(held: Term & { until: number }, isNew: boolean): void {
    const leftMs = held.until - this.#now();
    // The answer has come too late: by now another one may lead.
    if (leftMs <= 0) return this.#lose();
    this.#held = held;
    if (this.#stepDown !== null) clearTimeout(this.#stepDown);
    this.#stepDown = setTimeout(() => this.#lookAtClock(), leftMs + 1);
    Deno.unrefTimer(this.#stepDown as unknown as number);
    if (isNew) this.options.onGained(held);
  }

  /** Whoever was not heard of for so long leads no more, as it must suppose. */
  #lookAtClock(): void {
    if (this.#held !== null && this.#now() >= this.#held.until) this.#lose();
  }

  #lose(): void {
    if (this.#stepDown !== null) clearTimeout(this.#stepDown);
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.options.onLost(held);
  }

  #now(): number {
    return (this.options.now ?? (() => performance.now()))();
  }
}

/**
 * This node among those that live. Its session is prolonged every second; where it was not for ten
 * seconds others give back what it held, and it begins another. What a node holds is exact whoever
 * lives: clocks decide only when something is given back.
 * Who prolongs it waits for that one statement alone, which has a connection to itself: callers,
 * programs and other nodes bring about work for all else that is done each second, and may not end
 * a session by having much of it.
 */
import { within } from "../../within.ts";
import { AtOnce } from "./at_once.ts";
import type { Database } from "./database.ts";
import { reap } from "./reaping.ts";

/** What a node tells of itself with each beat, for `khachapuri fleet` and for the settler. */
export type NodeFacts = Readonly<Record<string, unknown>>;

export interface NodeCard {
  readonly node: string;
  /** Where its peers reach it. */
  readonly url: string;
  readonly version: string;
}

export interface LiveNode extends NodeCard {
  readonly session: number;
  readonly facts: NodeFacts;
}

export interface SessionsOptions {
  database: Database;
  card: NodeCard;
  facts(): NodeFacts;
  /** That a process of this node had which lives no more; null: of none it is known. */
  gone?: number | null;
  /** It has this session from now on. */
  onBegun?(session: number): Promise<void>;
  /** Done each second beside the beats, which wait for none of it. */
  besideBeats?(): Promise<void>;
  /** Its session was given up by others, and a new one has begun. */
  onLost(session: number): void;
  /** Told each second which nodes live. */
  onNodes?(nodes: readonly LiveNode[]): void;
  onTrouble?(error: unknown): void;
}

/** Between two beats at most, ms. */
const BEAT_MS = 1_000;
/** A beat is worth nothing once the next is due, ms. */
const BEAT_PATIENCE_MS = 900;
/** Between two rounds of what is done beside, ms: a beat tells what came of each that is short. */
const REST_MS = 900;
/** A round waits no longer for a part of it, ms, which goes on by itself. */
const PART_MS = 1_000;
/** Statements of a round that give back what others held. */
const REAPED_TIMES = 8;

const LIVE = `
  SELECT id AS session, node, url, version, facts FROM sessions
  WHERE NOT reaped AND until >= now() ORDER BY id
`;

export class Sessions {
  #session = 0;
  readonly #prolonging = new AtOnce(() => this.#prolong());
  readonly #parts: readonly AtOnce[];
  #noted: Promise<void> = Promise.resolve();
  #beatTimer: ReturnType<typeof setTimeout> | undefined;
  #roundTimer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #nodes: readonly LiveNode[] = [];

  private constructor(private readonly options: SessionsOptions) {
    const beside = () => options.besideBeats?.() ?? Promise.resolve();
    const parts = [beside, () => this.reap(), () => this.#lookAround()];
    this.#parts = parts.map((part) => new AtOnce(() => this.#try(part)));
  }

  /** @throws KhachapuriError `database_unavailable` */
  static async begin(options: SessionsOptions): Promise<Sessions> {
    const sessions = new Sessions(options);
    await sessions.#begin();
    await sessions.#noted;
    await sessions.#endGone();
    await sessions.#lookAround();
    sessions.#armBeat();
    sessions.#armRound();
    return sessions;
  }

  /** Of this node, now. */
  get session(): number {
    return this.#session;
  }

  /** As of the last round, this one among them. */
  nodes(): readonly LiveNode[] {
    return this.#nodes;
  }

  /** A beat now, and a round of what is done beside: no longer than that waits for its parts. */
  async beat(): Promise<void> {
    await this.#prolonging.do();
    await this.#round();
  }

  /**
   * Gives back what sessions hold that are over, or much of it; whoever does it, it is done once.
   */
  async reap(): Promise<void> {
    await reap(this.options.database, REAPED_TIMES);
  }

  /**
   * Has this node begin another session, as if others had given up its own: what it held is not as
   * the database has it.
   */
  async giveUp(): Promise<void> {
    const { database } = this.options;
    await database.ask("SELECT end_session_1($1)", [this.#session], { isUrgent: true });
    await this.beat();
  }

  /** The node leaves; what it holds still is given back by whoever lives. */
  async end(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#beatTimer);
    clearTimeout(this.#roundTimer);
    await Promise.all([this.#prolonging.do(), this.#round()]);
    await this.#noted;
    await this.options.database.ask("SELECT end_session_1($1)", [this.#session]);
    await this.reap();
  }

  async #begin(): Promise<void> {
    const { database, card: { node, url, version }, facts, onBegun } = this.options;
    const [begun] = await database.ask<{ id: number }>(
      "SELECT begin_session_1($1, $2, $3, $4::text::jsonb) AS id",
      [node, url, version, JSON.stringify(facts())],
      { isUrgent: true },
    );
    const { id } = begun!;
    this.#session = id;
    // The disk has its time: the next beat is due whatever it takes.
    this.#noted = this.#noted.then(() => this.#try(async () => await onBegun?.(id)));
  }

  /** Nobody waits for the time of a process that is gone; the next round gives back its holds. */
  async #endGone(): Promise<void> {
    const { database, card: { node }, gone } = this.options;
    if (!gone) return;
    await database.ask(
      "SELECT end_session_1(id) FROM sessions WHERE id = $1 AND node = $2 AND NOT reaped",
      [gone, node],
    );
  }

  #armBeat(): void {
    clearTimeout(this.#beatTimer);
    if (this.#isClosed) return;
    this.#beatTimer = setTimeout(() => void this.#prolonging.do(), BEAT_MS);
    Deno.unrefTimer(this.#beatTimer as unknown as number);
  }

  #armRound(): void {
    if (this.#isClosed) return;
    this.#roundTimer = setTimeout(async () => {
      await this.#round();
      // What came of it is told at once: who stops a deployment waits until all have heard.
      void this.#prolonging.do();
      this.#armRound();
    }, REST_MS);
    Deno.unrefTimer(this.#roundTimer as unknown as number);
  }

  async #round(): Promise<void> {
    await Promise.all(this.#parts.map((part) => within(part.do(), PART_MS)));
  }

  async #try(work: () => Promise<void>): Promise<void> {
    if (this.#isClosed) return;
    try {
      await work();
    } catch (error) {
      this.options.onTrouble?.(error);
    }
  }

  async #prolong(): Promise<void> {
    await this.#try(async () => {
      if (await this.#isProlonged()) return;
      await this.#begin();
      this.options.onLost(this.#session);
    });
    this.#armBeat();
  }

  /** @returns false: the session was given up by others */
  async #isProlonged(): Promise<boolean> {
    const { database, facts } = this.options;
    const [beat] = await database.ask<{ is_alive: boolean }>(
      "SELECT beat_1($1, $2::text::jsonb) AS is_alive",
      [this.#session, JSON.stringify(facts())],
      { patienceMs: BEAT_PATIENCE_MS, isUrgent: true },
    );
    return beat!.is_alive;
  }

  async #lookAround(): Promise<void> {
    this.#nodes = await this.options.database.ask<LiveNode>(LIVE);
    this.options.onNodes?.(this.#nodes);
  }
}

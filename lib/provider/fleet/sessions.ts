/**
 * This node among those that live. Its session is prolonged every second; where it was not for ten
 * seconds others give back what it held, and it begins another. What a node holds is exact whoever
 * lives: clocks decide only when something is given back.
 */
import type { Database } from "./database.ts";

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
  /** Done before each beat, which tells the facts as they are then; the beat waits for it. */
  beforeBeat?(): Promise<void>;
  /** Its session was given up by others, and a new one has begun. */
  onLost(session: number): void;
  /** Told with each beat which nodes live. */
  onNodes?(nodes: readonly LiveNode[]): void;
  onTrouble?(error: unknown): void;
}

/** Between two beats, ms. */
const BEAT_MS = 1_000;
/** A beat is worth nothing once the next is due, ms. */
const BEAT_PATIENCE_MS = 900;

const LIVE = `
  SELECT id AS session, node, url, version, facts FROM sessions
  WHERE NOT reaped AND until >= now() ORDER BY id
`;

export class Sessions {
  #session = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #beating: Promise<void> = Promise.resolve();
  #isClosed = false;
  #nodes: readonly LiveNode[] = [];

  private constructor(private readonly options: SessionsOptions) {}

  /** @throws KhachapuriError `database_unavailable` */
  static async begin(options: SessionsOptions): Promise<Sessions> {
    const sessions = new Sessions(options);
    await sessions.#begin();
    await sessions.#endGone();
    await sessions.#lookAround();
    sessions.#arm();
    return sessions;
  }

  /** Of this node, now. */
  get session(): number {
    return this.#session;
  }

  /** As of the last beat, this one among them. */
  nodes(): readonly LiveNode[] {
    return this.#nodes;
  }

  /** A beat now, and what comes with it. */
  async beat(): Promise<void> {
    this.#beating = this.#beating.then(() => this.#beat());
    await this.#beating;
  }

  /** Gives back what sessions hold that are over; whoever does it, it is done once. */
  async reap(): Promise<void> {
    const { database } = this.options;
    const left = await database.ask<{ session: number; account: string }>(
      "SELECT session, account FROM expire_1()",
    );
    for (const { session, account } of left) {
      await database.ask("SELECT give_back_1($1, $2)", [session, account]);
    }
  }

  /** The node leaves; what it holds still is given back by whoever lives. */
  async end(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#beating;
    await this.options.database.ask("SELECT end_session_1($1)", [this.#session]);
    await this.reap();
  }

  async #begin(): Promise<void> {
    const { database, card: { node, url, version }, facts } = this.options;
    const [begun] = await database.ask<{ id: number }>(
      "SELECT begin_session_1($1, $2, $3, $4::text::jsonb) AS id",
      [node, url, version, JSON.stringify(facts())],
    );
    this.#session = begun!.id;
    await this.options.onBegun?.(this.#session);
  }

  /** Nobody waits for the time of a process that is gone; the next beat gives back what it held. */
  async #endGone(): Promise<void> {
    const { database, card: { node }, gone } = this.options;
    if (!gone) return;
    await database.ask(
      "SELECT end_session_1(id) FROM sessions WHERE id = $1 AND node = $2 AND NOT reaped",
      [gone, node],
    );
  }

  #arm(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.beat().finally(() => this.#arm()), BEAT_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  async #beat(): Promise<void> {
    if (this.#isClosed) return;
    const { beforeBeat, onTrouble } = this.options;
    await beforeBeat?.().catch((error) => onTrouble?.(error));
    try {
      await this.#prolong();
      await this.reap();
      await this.#lookAround();
    } catch (error) {
      onTrouble?.(error);
    }
  }

  async #prolong(): Promise<void> {
    const { database, facts, onLost } = this.options;
    const [beat] = await database.ask<{ is_alive: boolean }>(
      "SELECT beat_1($1, $2::text::jsonb) AS is_alive",
      [this.#session, JSON.stringify(facts())],
      { patienceMs: BEAT_PATIENCE_MS },
    );
    if (beat!.is_alive) return;
    await this.#begin();
    onLost(this.#session);
  }

  async #lookAround(): Promise<void> {
    this.#nodes = await this.options.database.ask<LiveNode>(LIVE);
    this.options.onNodes?.(this.#nodes);
  }
}

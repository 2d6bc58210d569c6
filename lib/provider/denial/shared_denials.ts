/**
 * Whom an operator denies, at all nodes of a fleet, whichever of them was told. Numbers are the
 * fleet's: whoever is refused can name one, and any node lifts it.
 */
import type { DatabaseSync } from "node:sqlite";
import { Position } from "../fleet/position.ts";
import type { JoiningPart, Replica } from "../fleet/replica.ts";
import type { Change } from "../fleet/shared_log.ts";
import { type Denial, type DenialWish, stateOfDenial } from "./denial.ts";
import type { DenialBook } from "./denial_book.ts";
import type { DenialChange, DenialDesk, Denials } from "./denials.ts";

export interface SharedDenialsOptions {
  readonly book: DenialBook;
  readonly denials: Denials;
  /** Unix ms. */
  readonly now: () => number;
  /** Told of each that another node or this one was told of, and that is in force. */
  onDenied?(denial: Denial): void;
}

/** Beside the book: its rows as the fleet has them, and changes of this node that it lacks. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS sharedDenials (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS ownDenials (text TEXT PRIMARY KEY) STRICT;
`;

export class SharedDenials implements JoiningPart, DenialDesk {
  readonly kinds: ReadonlySet<string> = new Set(["denial"]);
  readonly position: Position;
  readonly #database: DatabaseSync;
  #replica: Pick<Replica, "share"> | null = null;

  constructor(private readonly options: SharedDenialsOptions) {
    this.#database = options.book.database;
    this.#database.exec(SCHEMA);
    this.position = new Position(this.#database, [...this.kinds]);
  }

  /**
   * Has the book follow the fleet's log. What was written into it while no node of a fleet had it
   * is kept apart until the fleet has it, too.
   * @param id of the log
   */
  join(id: string): void {
    const isNew = this.position.log !== id;
    this.position.advance(id, isNew ? 0 : this.position.seq, () => {
      if (isNew) this.#database.exec("DELETE FROM sharedDenials");
      const keep = this.#database.prepare("INSERT OR IGNORE INTO ownDenials VALUES (?)");
      for (const denial of this.options.book.all()) {
        const text = denialText(denial);
        if (text !== this.#sharedText(denial.id)) keep.run(text);
      }
    });
  }

  /**
   * Takes an operator's word from now on; once all that the log has is here.
   * @throws KhachapuriError `database_unavailable`
   */
  async begin(replica: Pick<Replica, "share">): Promise<void> {
    this.#replica = replica;
    const own = this.#database.prepare("SELECT text FROM ownDenials ORDER BY rowid").all();
    for (const text of own.map((row) => row.text as string)) {
      while (!await this.#bring(JSON.parse(text)));
      this.#database.prepare("DELETE FROM ownDenials WHERE text = ?").run(text);
    }
  }

  async deny(wish: DenialWish): Promise<Denial> {
    return await this.#make(() => this.options.denials.toDeny(wish));
  }

  async lift(id: number): Promise<Denial> {
    return await this.#make(() => this.options.denials.toLift(id));
  }

  outgoing(): null {
    return null;
  }

  apply(changes: readonly Change[]): () => void {
    const { book, denials, now, onDenied } = this.options;
    const put = this.#database.prepare("INSERT OR REPLACE INTO sharedDenials VALUES (?, ?)");
    const learned = changes.map(({ value }) => JSON.parse(value!) as Denial);
    for (const denial of learned) {
      book.put(denial);
      put.run(denial.id, denialText(denial));
    }
    return () => {
      if (learned.length > 0) denials.reread();
      const inForce = learned.filter((denial) => stateOfDenial(denial, now()) === "in force");
      for (const denial of inForce) onDenied?.(denial);
    };
  }

  /** Another node may have been told of the same meanwhile: then it is seen what is left to do. */
  async #make(change: () => DenialChange): Promise<Denial> {
    for (;;) {
      const { was, denial } = change();
      if (await this.#share(denial, was && denialText(was))) return denial;
    }
  }

  /** Has the fleet know what was written here. @returns false: it is to be looked at again */
  async #bring(own: Denial): Promise<boolean> {
    const text = this.#sharedText(own.id);
    const shared = text === null ? null : JSON.parse(text) as Denial;
    const isSame = shared?.kind === own.kind && shared.what === own.what && shared.at === own.at;
    if (shared === null || isSame) return await this.#share(own, text);
    // Another denial has its number in the fleet.
    if (stateOfDenial(own, this.options.now()) !== "in force") return true;
    const { kind, what, reason, note, until } = own;
    await this.deny({ kind, what, reason, note, until });
    return true;
  }

  async #share(denial: Denial, was: string | null): Promise<boolean> {
    const key = String(denial.id);
    const row = { kind: "denial", key, value: denialText(denial), was };
    return await this.#replica!.share([row]) !== null;
  }

  #sharedText(id: number): string | null {
    const row = this.#database.prepare("SELECT text FROM sharedDenials WHERE id = ?").get(id);
    return row?.text as string | undefined ?? null;
  }
}

/** One text for one denial. */
function denialText({ id, kind, what, reason, note, at, until, lifted }: Denial): string {
  return JSON.stringify({ id, kind, what, reason, note, at, until, lifted });
}

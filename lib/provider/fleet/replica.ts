/**
 * This node's copy of what its fleet shares. Files of its own hold it, so that a call asks nobody:
 * with each beat it sends what came to be here, and reads what did elsewhere. A node that was away
 * reads on where it was, and a new one all there is, in slices.
 */
import { KhachapuriError } from "../../errors.ts";
import { within } from "../../within.ts";
import { AtOnce } from "./at_once.ts";
import { Hearing } from "./hearing.ts";
import type { Position } from "./position.ts";
import type { Change, Page, SharedLog, SharedRow } from "./shared_log.ts";

/** Rows of this node that the log may lack. */
export interface Outgoing {
  /** Each is written where there is none of its key yet. */
  readonly rows: readonly SharedRow[];
  /** They are in the log. */
  sent(): void;
}

/** A file of this node, with some kinds of what is shared. */
export interface ReplicaPart {
  readonly kinds: ReadonlySet<string>;
  readonly position: Position;
  /** The oldest of what is to be sent; null: nothing. */
  outgoing(): Outgoing | null;
  /**
   * Writes changes of its kinds; the same ones may come again.
   * @returns what is to be done once they are written
   */
  apply(changes: readonly Change[]): () => void;
}

/** A part that needs nothing but the log. */
export interface JoiningPart extends ReplicaPart {
  /** Has its file follow the log of this id, before anything is read of it. */
  join(id: string): void;
  /** Once all that the log has is in the file. @throws KhachapuriError `database_unavailable` */
  begin(replica: Pick<Replica, "share">): void | Promise<void>;
}

/** Changes that are read at a time: some ten milliseconds of the event loop. */
const SLICE = 500;
/** What is done beside a beat waits no longer for it, ms. */
const BEAT_WAIT_MS = 500;

export class Replica {
  readonly #syncing = new AtOnce(() => this.#sync());
  readonly #hearing: Hearing;

  /** @param parts each followed this log before, or is at its beginning */
  constructor(
    private readonly log: SharedLog,
    private readonly parts: readonly ReplicaPart[],
  ) {
    this.#hearing = new Hearing(log);
  }

  /** All changes up to this one are in the files of this node. */
  get seen(): number {
    return Math.min(...this.parts.map(({ position }) => position.seq));
  }

  /**
   * Sends what is to be sent, and reads all that there is when it is asked.
   * @throws KhachapuriError `database_unavailable`
   */
  async sync(): Promise<void> {
    await this.#syncing.do();
  }

  /** Beside each beat: what takes longer goes on by itself. */
  async beat(): Promise<void> {
    const syncing = this.sync();
    syncing.catch(() => {});
    await within(syncing, BEAT_WAIT_MS);
  }

  /**
   * Writes rows for all nodes, and has them here, too.
   * @returns by which number they are read; null: one is not any more what it was, and is known now
   * @throws KhachapuriError `database_unavailable`
   */
  async share(rows: readonly SharedRow[]): Promise<number | null> {
    const seq = await this.log.share(rows);
    await this.sync();
    if (seq === null) await this.#forget(rows);
    return seq;
  }

  /** What was pruned while this node was away is in no change, and would be in the way for ever. */
  async #forget(rows: readonly SharedRow[]): Promise<void> {
    const changes = await this.log.lacked(rows.filter(({ was }) => typeof was === "string"));
    const done = this.parts.map((part) => {
      const { kinds, position: { log, seq } } = part;
      const own = changes.filter(({ kind }) => kinds.has(kind));
      if (own.length === 0 || log === null) return () => {};
      return part.position.advance(log, seq, () => part.apply(own));
    });
    for (const tell of done) tell();
  }

  /** Resolves when all other nodes that live have read up to `seq`; @see Hearing.wait */
  async seenByAll(seq: number, session: number): Promise<void> {
    await this.#hearing.wait(seq, session);
  }

  async #sync(): Promise<void> {
    for (const part of this.parts) await this.#send(part);
    // What others write meanwhile is read the next time.
    for (let upTo = Infinity, isAll = false; !isAll && this.seen < upTo;) {
      const page = await this.log.read(this.seen, SLICE);
      upTo = Math.min(upTo, page.head);
      isAll = this.#take(page);
    }
  }

  async #send(part: ReplicaPart): Promise<void> {
    for (let out = part.outgoing(); out !== null; out = part.outgoing()) {
      await this.log.share(out.rows);
      out.sent();
    }
  }

  /** @returns whether there is no more */
  #take({ log, head, changes }: Page): boolean {
    const isAll = changes.length < SLICE;
    const upTo = isAll ? head : changes.at(-1)!.seq;
    const done = this.parts.map((part) => {
      this.#assertSame(part, log, head);
      return applyTo(part, changes, log, upTo);
    });
    for (const tell of done) tell();
    return isAll;
  }

  #assertSame({ position }: ReplicaPart, log: string, head: number): void {
    if (position.log === log && position.seq <= head) return;
    const message = "the fleet's database is another than when this node began";
    throw new KhachapuriError("database_unavailable", message, { hints: ["start it anew"] });
  }
}

function applyTo(
  part: ReplicaPart,
  changes: readonly Change[],
  log: string,
  upTo: number,
): () => void {
  const { kinds, position } = part;
  if (position.seq >= upTo) return () => {};
  const own = changes.filter(({ seq, kind }) => seq > position.seq && kinds.has(kind));
  return position.advance(log, upTo, () => part.apply(own));
}

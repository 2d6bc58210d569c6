/**
 * The register of names as all nodes of a fleet have it. A change is the fleet's before it is this
 * node's: of two of one name, or of one owner that would have one more, one finds the other made.
 */
import type { DatabaseSync } from "node:sqlite";
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import type { NameChange } from "../../spec/name_change.ts";
import { Position } from "../fleet/position.ts";
import type { JoiningPart, Outgoing, Replica } from "../fleet/replica.ts";
import type { Change, SharedRow } from "../fleet/shared_log.ts";
import { Unsent } from "../fleet/unsent.ts";
import {
  changed,
  type NameChanged,
  type NameRegister,
  type NameRow,
  type NameWriter,
} from "./register.ts";

/** An owner's names are counted before it has another: of which node's turn that was last. */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS nameTurns (owner TEXT PRIMARY KEY, turn TEXT NOT NULL) STRICT;
`;

const [NAME, OWNER] = ["name", "name owner"] as const;
/** Rows that are sent at a time. */
const SENT_AT_ONCE = 200;

export class SharedNames implements JoiningPart, NameWriter {
  readonly kinds: ReadonlySet<string> = new Set([NAME, OWNER]);
  readonly position: Position;
  readonly #unsent: Unsent;
  #replica: Pick<Replica, "share"> | null = null;

  /**
   * @param database that the register is in
   * @param onLeft told of a deployment that a name does not point to any more
   */
  constructor(
    private readonly database: DatabaseSync,
    private readonly register: NameRegister,
    private readonly onLeft: (cid: CidText) => void,
  ) {
    database.exec(SCHEMA);
    this.position = new Position(database, [...this.kinds]);
    this.#unsent = new Unsent(database, "names");
    register.follow();
  }

  /**
   * Has the register follow the fleet's log. What it has that the fleet lacks is sent; of a name
   * that both have, the fleet's counts.
   * @param id of the log
   */
  join(id: string): void {
    const isNew = this.position.log !== id;
    if (!isNew && !this.#unsent.isWaiting()) return;
    this.position.advance(id, 0, () => {
      if (!isNew) return;
      this.#unsent.sent(0);
      this.database.exec("DELETE FROM nameTurns");
    });
  }

  /** Makes changes from now on; once all that the log has is here. */
  begin(replica: Pick<Replica, "share">): void {
    this.#replica = replica;
  }

  /** @returns null: the register is another by now, as is known here @throws as `NameRegister` */
  async change(change: Omit<NameChange, "expires">): Promise<NameChanged | null> {
    if (!this.register.has(change.label) && this.register.isFull()) await this.#forget();
    const { row, before } = this.register.toChange(change);
    const isAnother = before === null || row.cid === "";
    const rows = [this.#rowWith(row), ...(isAnother ? [this.#turnOf(row.owner)] : [])];
    return await this.#replica!.share(rows) === null ? null : changed(row, before);
  }

  /** Where the register is another by now it is looked at the next time. */
  async cover(owner: Address, most: number, until: number): Promise<void> {
    const rows = this.register.toCover(owner, most, until);
    if (rows.length === 0) return;
    const edits = rows.slice(0, SENT_AT_ONCE).map((row) => this.#rowWith(row));
    await this.#replica!.share([...edits, this.#turnOf(owner)]);
  }

  outgoing(): Outgoing | null {
    const rows = this.database.prepare(
      "SELECT rowid AS number, label FROM names WHERE rowid > ? ORDER BY rowid LIMIT ?",
    ).all(this.#unsent.upTo, SENT_AT_ONCE) as unknown as { number: number; label: string }[];
    const last = rows.at(-1);
    if (!last) return null;
    return {
      rows: rows.map(({ label }) => ({
        kind: NAME,
        key: label,
        value: this.register.textOf(label)!,
      })),
      sent: () => this.#unsent.sent(last.number),
    };
  }

  apply(changes: readonly Change[]): () => void {
    const turn = this.database.prepare("INSERT OR REPLACE INTO nameTurns VALUES (?, ?)");
    const learned: (() => CidText | null)[] = [];
    this.#unsent.learn(() => {
      for (const { kind, key, value } of changes) {
        if (kind === OWNER) turn.run(key, value);
        else learned.push(this.register.learn(key, value));
      }
    });
    return () => {
      for (const left of learned.map((keep) => keep())) if (left !== null) this.onLeft(left);
    };
  }

  /** What was given up long ago makes room. */
  async #forget(): Promise<void> {
    const rows = this.register.givenUp().slice(0, SENT_AT_ONCE).map(({ label }): SharedRow => ({
      ...{ kind: NAME, key: label, value: null },
      was: this.register.textOf(label),
    }));
    if (rows.length > 0) await this.#replica!.share(rows);
  }

  #rowWith(row: NameRow): SharedRow {
    const { label } = row;
    const value = this.register.textWith(row);
    return { kind: NAME, key: label, value, was: this.register.textOf(label) };
  }

  #turnOf(owner: Address): SharedRow {
    const row = this.database.prepare("SELECT turn FROM nameTurns WHERE owner = ?").get(owner);
    // No other node's: what has the value already would count as written.
    const value = crypto.randomUUID();
    return { kind: OWNER, key: owner, value, was: row?.turn as string | undefined ?? null };
  }
}

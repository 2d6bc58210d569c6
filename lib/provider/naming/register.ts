/**
 * The provider's own register of names: a label, whose it is, and the deployment that it points to.
 * A change is on disk before it is answered, or has not happened. A name's sequence counts its
 * changes, also beyond its being given up, so that no earlier change can be made again.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address } from "viem";
import type { CidText } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import {
  NAME_MOVES_KEPT_MAX,
  NAMES_COVERED_AT_ONCE_MAX,
  REGISTERED_NAMES_MAX,
} from "../../limits_of_names.ts";
import type { NameChange } from "../../spec/name_change.ts";
import { inTransaction } from "../../transaction.ts";

/** A name as it stands. */
export interface RegisteredName {
  readonly label: string;
  readonly owner: Address;
  readonly cid: CidText;
  readonly sequence: number;
  /** Since when it points there, Unix ms. */
  readonly since: number;
  /** Since when its owner has it, Unix ms. */
  readonly takenAt: number;
  /** Since when it is known that what its owner has allowed is not good for it; null: it is. */
  readonly uncoveredSince: number | null;
}

/** What a name pointed to since its owner has it. */
export interface NameMove {
  readonly cid: CidText;
  readonly sequence: number;
  /** Unix ms. */
  readonly at: number;
}

/** What a change did. */
export interface NameChanged {
  /** Null: the name was given up. */
  readonly name: RegisteredName | null;
  /** Where it pointed before. */
  readonly left: CidText | null;
}

/** A name that was given up is remembered so long: longer than a signed change is good, ms. */
const GIVEN_UP_MS = 24 * 60 * 60 * 1000;

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS names (
    label TEXT PRIMARY KEY, owner TEXT NOT NULL, cid TEXT NOT NULL, sequence INTEGER NOT NULL,
    since INTEGER NOT NULL, takenAt INTEGER NOT NULL, uncoveredSince INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS moves (
    label TEXT NOT NULL, sequence INTEGER NOT NULL, cid TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (label, sequence)
  ) STRICT;
`;

/** A name, or one that was given up. */
export interface NameRow extends Omit<RegisteredName, "cid"> {
  readonly cid: CidText | "";
}

/** Where changes are made that were found right; as of `NameRegister`. */
export interface NameWriter {
  /** Null: the register is another by now. */
  change(
    change: Omit<NameChange, "expires">,
  ): NameChanged | null | Promise<NameChanged | null>;
  cover(owner: Address, most: number, until: number): void | Promise<void>;
}

export class NameRegister implements NameWriter {
  /** With those that were given up. */
  readonly #rows = new Map<string, NameRow>();
  readonly #labels = new Map<Address, Set<string>>();
  readonly #put: StatementSync;
  readonly #addMove: StatementSync;
  readonly #dropMoves: StatementSync;
  readonly #moves: StatementSync;
  readonly #drop: StatementSync;
  #isFleets = false;

  constructor(private readonly database: DatabaseSync, private readonly now: () => number) {
    database.exec(SCHEMA);
    this.#put = database.prepare("INSERT OR REPLACE INTO names VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#addMove = database.prepare("INSERT INTO moves VALUES (?, ?, ?, ?)");
    this.#dropMoves = database.prepare("DELETE FROM moves WHERE label = ? AND sequence <= ?");
    this.#moves = database.prepare(
      "SELECT cid, sequence, at FROM moves WHERE label = ? ORDER BY sequence DESC",
    );
    this.#drop = database.prepare("DELETE FROM names WHERE label = ?");
    const select = database.prepare("SELECT * FROM names");
    for (const row of select.iterate()) this.#keep({ ...row } as unknown as NameRow);
  }

  /** Whether somebody has the name. */
  has(label: string): boolean {
    const row = this.#rows.get(label);
    return row !== undefined && row.cid !== "";
  }

  /** The name as it stands; null when nobody has it. */
  get(label: string): RegisteredName | null {
    const row = this.#rows.get(label);
    return row !== undefined && isHeld(row) ? row : null;
  }

  /** How many changes a name has had; 0: none that is remembered. */
  sequence(label: string): number {
    return this.#rows.get(label)?.sequence ?? 0;
  }

  /** An owner's names, by label. */
  ofOwner(owner: Address): RegisteredName[] {
    return [...this.#labels.get(owner) ?? []].sort().map((label) => this.get(label)!);
  }

  count(owner: Address): number {
    return this.#labels.get(owner)?.size ?? 0;
  }

  /** Who has names. */
  owners(): Address[] {
    return [...this.#labels.keys()];
  }

  /** Names that nothing allowed is good for, longest first. */
  uncovered(): RegisteredName[] {
    const names = [...this.#rows.values()].filter(isHeld);
    return names.filter(({ uncoveredSince }) => uncoveredSince !== null)
      .sort((one, other) => one.uncoveredSince! - other.uncoveredSince!);
  }

  /** Whether nobody can take another name. */
  isFull(): boolean {
    const isFull = () => this.#rows.size >= REGISTERED_NAMES_MAX;
    if (isFull() && !this.#isFleets) {
      for (const { label } of this.givenUp()) {
        this.#drop.run(label);
        this.#rows.delete(label);
      }
    }
    return isFull();
  }

  /** Names that were given up so long ago that nobody has to remember it. */
  givenUp(): NameRow[] {
    const until = this.now() - GIVEN_UP_MS;
    return [...this.#rows.values()].filter(({ cid, since }) => cid === "" && since <= until);
  }

  /** Whether a name points to `cid`. */
  points(cid: CidText): boolean {
    for (const row of this.#rows.values()) if (row.cid === cid) return true;
    return false;
  }

  /** Where a name pointed since its owner has it, the latest first. */
  history(label: string): NameMove[] {
    return this.#moves.all(label).map((row) => ({ ...row }) as unknown as NameMove);
  }

  /**
   * @throws KhachapuriError `access_denied` when it is another's, `name_conflict` when its sequence
   * is not the next
   */
  assertNext({ label, owner, sequence, cid }: Omit<NameChange, "expires">): void {
    const present = this.get(label);
    if (present && present.owner !== owner) throw taken(label);
    const last = this.sequence(label);
    if (sequence !== BigInt(last) + 1n) throw notNext(label, present, last);
    if (!present && cid === "") throw nobodys(label);
  }

  /**
   * Makes a change; it is on disk when this returns. Nothing is awaited in between: of two that
   * are sent at once one finds the other done.
   * @throws KhachapuriError as `assertNext`; `overloaded` when the register is full
   */
  change(change: Omit<NameChange, "expires">): NameChanged {
    const { row, before } = this.toChange(change);
    inTransaction(this.database, () => this.#write(row, before === null));
    this.#keep(row);
    return changed(row, before);
  }

  /** What a change makes of a name. @throws KhachapuriError as `change` */
  toChange(change: Omit<NameChange, "expires">): { row: NameRow; before: RegisteredName | null } {
    this.assertNext(change);
    const { label, owner, cid } = change;
    const before = this.get(label);
    if (!before && this.isFull()) throw full();
    const since = this.now();
    const { takenAt, uncoveredSince } = before ?? { takenAt: since, uncoveredSince: null };
    const sequence = Number(change.sequence);
    return { row: { label, owner, cid, sequence, since, takenAt, uncoveredSince }, before };
  }

  /**
   * What an owner has allowed is good for so many of its names: those that it took first. Of the
   * others it is noted since when; where that was at `until` or before, they are nobody's any more,
   * and their sequences go on, as if they had been given up at their last change. So many change at
   * a time that no call waits long.
   */
  cover(owner: Address, most: number, until: number): void {
    const changed = this.toCover(owner, most, until);
    if (changed.length === 0) return;
    inTransaction(this.database, () => changed.forEach((row) => this.#putCovered(row)));
    for (const row of changed) this.#keep(row);
  }

  /** What that makes of names. */
  toCover(owner: Address, most: number, until: number): NameRow[] {
    const names = this.ofOwner(owner).sort((one, other) => one.takenAt - other.takenAt);
    return names.flatMap((row, index): NameRow[] => {
      const { uncoveredSince } = row;
      if (index < most) return uncoveredSince === null ? [] : [{ ...row, uncoveredSince: null }];
      if (uncoveredSince === null) return [{ ...row, uncoveredSince: this.now() }];
      return uncoveredSince <= until ? [{ ...row, cid: "" }] : [];
    }).slice(0, NAMES_COVERED_AT_ONCE_MAX);
  }

  /** A name and its history as the fleet has them; null: nothing of it is remembered. */
  textOf(label: string): string | null {
    const row = this.#rows.get(label);
    return row === undefined ? null : nameText(row, this.history(label));
  }

  /** What they are to be once a name is as `row` has it. */
  textWith(row: NameRow): string {
    const { label, cid, sequence, since } = row;
    const before = this.get(label);
    const known = before && cid !== "" ? this.history(label) : [];
    const isMove = before?.sequence !== sequence && cid !== "";
    const moves = isMove ? [{ cid, sequence, at: since }, ...known] : known;
    return nameText(row, moves.slice(0, NAME_MOVES_KEPT_MAX));
  }

  /** What is in it is the fleet's to say: nothing is forgotten here by itself. */
  follow(): void {
    this.#isFleets = true;
  }

  /**
   * Writes a name as the fleet has it, in the transaction that is open.
   * @returns to be called once it is written: where the name pointed, if it does not any more
   */
  learn(label: string, text: string | null): () => CidText | null {
    this.#dropMoves.run(label, Number.MAX_SAFE_INTEGER);
    if (text === null) {
      this.#drop.run(label);
      return () => {
        this.#forgetOwner(label);
        this.#rows.delete(label);
        return null;
      };
    }
    const { moves, ...row } = JSON.parse(text) as NameRow & { moves: NameMove[] };
    this.#putRow(row);
    for (const { sequence, cid, at } of moves) this.#addMove.run(label, sequence, cid, at);
    return () => {
      const left = this.get(label)?.cid ?? null;
      this.#forgetOwner(label);
      this.#keep(row);
      return left === row.cid ? null : left;
    };
  }

  #putCovered(row: NameRow): void {
    this.#putRow(row);
    if (row.cid === "") this.#dropMoves.run(row.label, row.sequence);
  }

  #putRow({ label, owner, cid, sequence, since, takenAt, uncoveredSince }: NameRow): void {
    this.#put.run(label, owner, cid, sequence, since, takenAt, uncoveredSince);
  }

  #write(row: NameRow, isNew: boolean): void {
    const { label, cid, sequence, since } = row;
    this.#putRow(row);
    // What it pointed to before is nobody's business any more, and was another's.
    const forgotten = isNew || cid === "" ? sequence : sequence - NAME_MOVES_KEPT_MAX;
    this.#dropMoves.run(label, forgotten);
    if (cid !== "") this.#addMove.run(label, sequence, cid, since);
  }

  /** It may have been another's. */
  #forgetOwner(label: string): void {
    const row = this.#rows.get(label);
    if (row !== undefined) this.#keep({ ...row, cid: "" });
  }

  #keep(row: NameRow): void {
    const { label, owner } = row;
    this.#rows.set(label, row);
    const labels = this.#labels.get(owner) ?? new Set();
    if (row.cid === "") labels.delete(label);
    else labels.add(label);
    if (labels.size === 0) this.#labels.delete(owner);
    else this.#labels.set(owner, labels);
  }
}

/** What a change did. @param before the name until then */
export function changed(row: NameRow, before: RegisteredName | null): NameChanged {
  return { name: isHeld(row) ? row : null, left: before?.cid ?? null };
}

/** One text for one state of a name. @param moves the latest first */
function nameText(row: NameRow, moves: readonly NameMove[]): string {
  const { label, owner, cid, sequence, since, takenAt, uncoveredSince } = row;
  const history = moves.map(({ cid, sequence, at }) => ({ cid, sequence, at }));
  return JSON.stringify({
    ...{ label, owner, cid, sequence, since, takenAt, uncoveredSince },
    moves: history,
  });
}

function isHeld(row: NameRow): row is RegisteredName {
  return row.cid !== "";
}

function taken(label: string): KhachapuriError {
  return new KhachapuriError("access_denied", `the name ${label} is another owner's here`, {
    hints: ["take another name, or sign with the key that has this one"],
  });
}

function notNext(
  label: string,
  present: RegisteredName | null,
  sequence: number,
): KhachapuriError {
  const state = present ? `points to ${present.cid}` : "is nobody's";
  const message = `the name ${label} ${state}, after ${sequence} changes`;
  return new KhachapuriError("name_conflict", message, {
    hints: [`it was changed meanwhile, or this change is an old one: the next is ${sequence + 1}`],
    data: { name: label, cid: present?.cid ?? "", sequence },
  });
}

function nobodys(label: string): KhachapuriError {
  return new KhachapuriError("not_found", `nobody has the name ${label} here`, {
    hints: ["there is nothing to give up"],
  });
}

function full(): KhachapuriError {
  return new KhachapuriError("overloaded", "this provider's register of names is full", {
    retryAfterSeconds: 3_600,
    hints: ["use a name of your own: ENS, or DNSLink"],
  });
}

/**
 * The book of what is kept: which CARs there are, for whom, what uses them, where in them each
 * block is, and which pushes were made lately. Its word counts: a file without a row is removed.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { CidText } from "../../cid.ts";
import { durably } from "../../durably.ts";
import { namedDatabase } from "../../files.ts";
import { KEPT_USES_MAX } from "../../limits_of_content.ts";
import { Leisure, type Steps } from "../../leisure.ts";
import { inSlices } from "../../slices.ts";
import { openStateDatabase } from "../../state_database.ts";
import { inTransaction } from "../../transaction.ts";
import type { BlockPlace } from "./car_intake.ts";

/** One CAR that is kept. */
export interface KeptRoot {
  readonly id: number;
  readonly root: CidText;
  /** Of the file. */
  readonly bytes: number;
  /** What it takes of the disk. */
  readonly diskBytes: number;
}

/** That an owner has a root kept. */
export interface Keeper {
  readonly id: number;
  readonly root: CidText;
  readonly owner: Address;
  /** When it was last seen that it is to be kept, Unix ms. */
  readonly protectedAt: number;
}

/** A deployment that uses a root, as its owner numbers it. */
export interface Use {
  readonly owner: Address;
  readonly id: Hex;
}

/** A block in the file of a root. */
export interface KeptPlace {
  readonly id: number;
  readonly root: CidText;
  readonly offset: number;
  readonly length: number;
}

/** Rows that are written together, in about a millisecond. */
const BATCH_ROWS = 128;
/** What a row takes, as bytes that are verified in its time. */
const ROW_WORK = 8 * 1024;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS roots (
    id INTEGER PRIMARY KEY, root TEXT NOT NULL UNIQUE, bytes INTEGER NOT NULL,
    diskBytes INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS keepers (
    root INTEGER NOT NULL, owner TEXT NOT NULL, protectedAt INTEGER NOT NULL,
    PRIMARY KEY (root, owner)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS keepers_by_owner ON keepers (owner);
  CREATE TABLE IF NOT EXISTS blocks (
    digest BLOB NOT NULL, root INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    PRIMARY KEY (digest, root)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS blocks_by_root ON blocks (root);
  CREATE TABLE IF NOT EXISTS uses (
    root INTEGER NOT NULL, owner TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (root, owner, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, expires INTEGER NOT NULL)
    STRICT, WITHOUT ROWID;
`;

const PLACES = `
  SELECT roots.id, roots.root, offset, length FROM blocks JOIN roots ON roots.id = blocks.root
`;

const KEEPERS = `
  SELECT roots.id, roots.root, owner, protectedAt
  FROM keepers JOIN roots ON roots.id = keepers.root
`;

export class KeptIndex {
  readonly #database: DatabaseSync;
  readonly #find: StatementSync;
  readonly #place: StatementSync;
  readonly #usedPlace: StatementSync;
  readonly #placeIn: StatementSync;
  readonly #bytesOf: StatementSync;
  #nextId: number;

  /** Opens (or creates) the book at `path`. */
  constructor(path: string) {
    this.#database = namedDatabase(path, () => opened(path));
    const prepare = (sql: string) => this.#database.prepare(sql);
    this.#find = prepare("SELECT id, root, bytes, diskBytes FROM roots WHERE root = ?");
    this.#place = prepare(`${PLACES} WHERE digest = ? ORDER BY blocks.root LIMIT 1`);
    this.#usedPlace = prepare(`
      ${PLACES} WHERE digest = ? AND EXISTS (SELECT 1 FROM uses WHERE uses.root = roots.id)
      ORDER BY blocks.root LIMIT 1
    `);
    this.#placeIn = prepare(`${PLACES} WHERE digest = ? AND roots.root = ?`);
    this.#bytesOf = prepare(`
      SELECT coalesce(sum(diskBytes), 0) AS bytes, count(*) AS roots
      FROM keepers JOIN roots ON roots.id = keepers.root WHERE owner = ?
    `);
    const { last } = prepare("SELECT coalesce(max(id), 0) AS last FROM roots").get()!;
    this.#nextId = last as number + 1;
  }

  close(): void {
    this.#database.close();
  }

  find(root: CidText): KeptRoot | null {
    return this.#find.get(root) as unknown as KeptRoot | undefined ?? null;
  }

  /** Where a block is that has this hash. */
  placeOf(digest: Uint8Array): KeptPlace | null {
    return this.#place.get(digest) as unknown as KeptPlace | undefined ?? null;
  }

  /** The same, in what a deployment uses. */
  usedPlaceOf(digest: Uint8Array): KeptPlace | null {
    return this.#usedPlace.get(digest) as unknown as KeptPlace | undefined ?? null;
  }

  /** The same, in one root. */
  placeIn(root: CidText, digest: Uint8Array): KeptPlace | null {
    return this.#placeIn.get(digest, root) as unknown as KeptPlace | undefined ?? null;
  }

  roots(): KeptRoot[] {
    const all = this.#database.prepare("SELECT id, root, bytes, diskBytes FROM roots");
    return all.all() as unknown as KeptRoot[];
  }

  /** What is kept for an owner that holds this block. */
  keptWith(digest: Uint8Array, owner: Address): Keeper[] {
    const all = this.#database.prepare(`
      ${KEEPERS} JOIN blocks ON blocks.root = roots.id WHERE digest = ? AND owner = ?
    `);
    return all.all(digest, owner) as unknown as Keeper[];
  }

  /** What an owner has kept, on disk and in number. */
  ofOwner(owner: Address): { bytes: number; roots: number } {
    return this.#bytesOf.get(owner) as { bytes: number; roots: number };
  }

  isKeeper(owner: Address, root: CidText): boolean {
    return this.#database.prepare(`${KEEPERS} WHERE roots.root = ? AND owner = ?`)
      .get(root, owner) !== undefined;
  }

  /** Those who have a root kept. */
  keepersOf(root: CidText): Keeper[] {
    const all = this.#database.prepare(`${KEEPERS} WHERE roots.root = ?`);
    return all.all(root) as unknown as Keeper[];
  }

  /** All that owners have kept, longest unprotected first. */
  keepers(): Keeper[] {
    const all = this.#database.prepare(`${KEEPERS} ORDER BY protectedAt, roots.id`);
    return all.all() as unknown as Keeper[];
  }

  /** Of a root that is not there yet: nobody finds its blocks before that. */
  newId(): number {
    return this.#nextId++;
  }

  /** Notes the blocks of a root that is about to be there. */
  async addBlocks(id: number, places: readonly BlockPlace[]): Promise<void> {
    await new Leisure().steps(this.#noteBlocks(id, places));
  }

  *#noteBlocks(id: number, places: readonly BlockPlace[]): Steps<void> {
    const row = this.#database.prepare("INSERT OR IGNORE INTO blocks VALUES (unhex(?), ?, ?, ?)");
    // Neighbours in the table together: each batch writes whole the pages that it touches.
    const sorted = places.toSorted((one, other) => one.digest < other.digest ? -1 : 1);
    for (let at = 0; at < sorted.length; at += BATCH_ROWS) {
      const batch = sorted.slice(at, at + BATCH_ROWS);
      inTransaction(this.#database, () => {
        for (const { digest, offset, length } of batch) row.run(digest, id, offset, length);
      });
      yield batch.length * ROW_WORK;
    }
  }

  /** Of a root that is not there, or no longer. */
  async dropBlocks(id: number): Promise<void> {
    await new Leisure().steps(this.#dropBatches(id));
  }

  *#dropBatches(id: number): Steps<void> {
    const batch = this.#database.prepare(`
      DELETE FROM blocks WHERE root = ? AND digest IN (
        SELECT digest FROM blocks WHERE root = ? LIMIT ${BATCH_ROWS}
      )
    `);
    while (Number(batch.run(id, id).changes) === BATCH_ROWS) yield BATCH_ROWS * ROW_WORK;
  }

  /**
   * A CAR is on disk, and its blocks are noted: from now on it is found, and no end of this process
   * makes it forgotten.
   */
  addRoot({ id, root, bytes, diskBytes }: KeptRoot, owner: Address, at: number): void {
    const row = this.#database.prepare("INSERT INTO roots VALUES (?, ?, ?, ?)");
    this.#durably(() => {
      row.run(id, root, bytes, diskBytes);
      this.#protect(id, owner, at);
    });
  }

  /** An owner has it kept, and it was seen to be worth it; of two times the later one counts. */
  protect({ id }: Pick<KeptRoot, "id">, owner: Address, at: number): void {
    this.#durably(() => this.#protect(id, owner, at));
  }

  /** They were seen to be worth it; after a loss of power they may have been seen before only. */
  async refresh(keepers: readonly Keeper[], at: number): Promise<void> {
    const row = this.#database.prepare(
      "UPDATE keepers SET protectedAt = ? WHERE root = ? AND owner = ?",
    );
    await inSlices(keepers, ({ id, owner }) => row.run(at, id, owner));
  }

  #protect(id: number, owner: Address, at: number): void {
    this.#database.prepare(`
      INSERT INTO keepers VALUES (?, ?, ?) ON CONFLICT (root, owner)
      DO UPDATE SET protectedAt = max(protectedAt, excluded.protectedAt)
    `).run(id, owner, at);
  }

  /**
   * An owner has it kept no more, unless it was seen meanwhile that it is to be kept.
   * @returns whether nobody has, and it is forgotten; its blocks are still to be dropped
   */
  release({ id, owner, protectedAt }: Pick<Keeper, "id" | "owner" | "protectedAt">): boolean {
    let isLast = false;
    this.#durably(() => {
      const { changes } = this.#database.prepare(
        "DELETE FROM keepers WHERE root = ? AND owner = ? AND protectedAt = ?",
      ).run(id, owner, protectedAt);
      if (Number(changes) === 0) return;
      this.#database.prepare("DELETE FROM uses WHERE root = ? AND owner = ?").run(id, owner);
      isLast = !this.#database.prepare("SELECT 1 FROM keepers WHERE root = ? LIMIT 1").get(id);
      if (isLast) this.#database.prepare("DELETE FROM roots WHERE id = ?").run(id);
    });
    return isLast;
  }

  /** Its file is gone, or not what it was; its blocks are still to be dropped. */
  forget({ id }: Pick<KeptRoot, "id">): void {
    this.#durably(() => {
      for (const table of ["keepers", "uses"]) {
        this.#database.prepare(`DELETE FROM ${table} WHERE root = ?`).run(id);
      }
      this.#database.prepare("DELETE FROM roots WHERE id = ?").run(id);
    });
  }

  /** A deployment of the owner uses it; the newest uses are remembered. */
  noteUse({ id: root }: Pick<KeptRoot, "id">, { owner, id }: Use, at: number): void {
    const count = this.#database.prepare(
      "SELECT count(*) AS uses FROM uses WHERE root = ? AND owner = ?",
    ).get(root, owner)!.uses as number;
    if (count >= KEPT_USES_MAX) {
      this.#database.prepare(`
        DELETE FROM uses WHERE root = ? AND owner = ? AND id = (
          SELECT id FROM uses WHERE root = ? AND owner = ? ORDER BY at LIMIT 1
        )`).run(root, owner, root, owner);
    }
    this.#database.prepare("INSERT OR REPLACE INTO uses VALUES (?, ?, ?, ?)")
      .run(root, owner, id, at);
  }

  /** The owner's deployments that use it, as far as they were seen. */
  usesOf({ id: root, owner }: Pick<Keeper, "id" | "owner">): Use[] {
    return this.#database.prepare("SELECT owner, id FROM uses WHERE root = ? AND owner = ?")
      .all(root, owner) as unknown as Use[];
  }

  hasNonce(nonce: Hex): boolean {
    return this.#database.prepare("SELECT 1 FROM nonces WHERE nonce = ?").get(nonce) !== undefined;
  }

  /** @returns false when it was there already */
  addNonce(nonce: Hex, expires: bigint): boolean {
    const { changes } = this.#database.prepare("INSERT OR IGNORE INTO nonces VALUES (?, ?)")
      .run(nonce, expires);
    return Number(changes) === 1;
  }

  /** @param nowSeconds those that ran out before can't be used any more anyway */
  forgetNonces(nowSeconds: bigint): void {
    this.#database.prepare("DELETE FROM nonces WHERE expires < ?").run(nowSeconds);
  }

  #durably(write: () => void): void {
    durably(this.#database, () => inTransaction(this.#database, write));
  }
}

function opened(path: string): DatabaseSync {
  const database = openStateDatabase(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  database.exec(SCHEMA);
  // An earlier process ended before it had written the root, or all of its end.
  database.exec("DELETE FROM blocks WHERE root NOT IN (SELECT id FROM roots)");
  return database;
}

/** Which deployments their owner has stopped; for ever, and across restarts. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { durably } from "../../durably.ts";
import { KhachapuriError } from "../../errors.ts";
import { DEPLOYMENTS_REMEMBERED_MAX } from "../../limits_of_books.ts";
import { Lru } from "../../lru.ts";
import type { Spec } from "../../spec/schema.ts";

/** An id is its owner's word only: keyed by both, nobody can stop another's deployment. */
export type Stoppable = Pick<Spec, "owner" | "id">;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS stops (
    owner TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (owner, id)
  ) STRICT;
`;

export class Stops {
  /** Whether it was stopped, of those that were asked for. */
  readonly #known = new Lru<string, boolean>(DEPLOYMENTS_REMEMBERED_MAX);
  readonly #find: StatementSync;
  readonly #learn: StatementSync;
  readonly #listeners = new Set<(spec: Stoppable) => void>();
  /** Null until it is asked for, and after each change. */
  #count: number | null = null;

  constructor(private readonly database: DatabaseSync, private readonly now: () => number) {
    database.exec(SCHEMA);
    this.#find = database.prepare("SELECT 1 FROM stops WHERE owner = ? AND id = ?");
    this.#learn = database.prepare(
      "INSERT INTO stops VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at",
    );
  }

  /** How many there are. */
  get count(): number {
    const count = () => this.database.prepare("SELECT COUNT(*) AS count FROM stops").get()!.count;
    return this.#count ??= count() as number;
  }

  has(spec: Stoppable): boolean {
    const find = () => this.#find.get(spec.owner, spec.id) !== undefined;
    return this.#known.getOrInsertComputed(stopKey(spec), find);
  }

  /** Durable when it returns; calls from then on are refused as `stopped`. */
  add(spec: Stoppable): void {
    const insert = this.database.prepare("INSERT OR IGNORE INTO stops VALUES (?, ?, ?)");
    durably(this.database, () => void insert.run(spec.owner, spec.id, this.now()));
    this.hear(spec);
    this.#tell({ owner: spec.owner, id: spec.id });
  }

  /** Resolves when what is stopped is known wherever calls are taken: here, and nowhere else. */
  heard(): void {}

  /**
   * Writes a stop that a node of the fleet was told of first, in the transaction that is open.
   * @param at Unix ms
   * @returns to be called once it is written
   */
  learn({ owner, id }: Stoppable, at: number): () => void {
    const isNew = this.#find.get(owner, id) === undefined;
    this.#learn.run(owner, id, at);
    if (!isNew) return () => {};
    return () => {
      this.hear({ owner, id });
      this.#tell({ owner, id });
    };
  }

  /** Another process of the provider has it on disk. */
  hear(spec: Stoppable): void {
    this.#known.set(stopKey(spec), true);
    this.#count = null;
  }

  /** @param listener told of each stop from now on. @returns tells it of no more */
  onStop(listener: (spec: Stoppable) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #tell(spec: Stoppable): void {
    for (const listener of this.#listeners) listener(spec);
  }
}

/** What a deployment that its owner has stopped is refused with. */
export function stopped(): KhachapuriError {
  return new KhachapuriError("stopped", "the owner has stopped this deployment");
}

/** What tells it from others. */
export function stopKey({ owner, id }: Stoppable): string {
  return `${owner}:${id}`;
}

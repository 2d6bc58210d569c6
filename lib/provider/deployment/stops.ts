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
  readonly #listeners = new Set<(spec: Stoppable) => void>();
  /** Null until it is asked for, and after each change. */
  #count: number | null = null;

  constructor(private readonly database: DatabaseSync, private readonly now: () => number) {
    database.exec(SCHEMA);
    this.#find = database.prepare("SELECT 1 FROM stops WHERE owner = ? AND id = ?");
  }

  /** How many there are. */
  get count(): number {
    const count = () => this.database.prepare("SELECT COUNT(*) AS count FROM stops").get()!.count;
    return this.#count ??= count() as number;
  }

  has(spec: Stoppable): boolean {
    const find = () => this.#find.get(spec.owner, spec.id) !== undefined;
    return this.#known.getOrInsertComputed(keyOf(spec), find);
  }

  /** Durable when it returns; calls from then on are refused as `stopped`. */
  add(spec: Stoppable): void {
    const insert = this.database.prepare("INSERT OR IGNORE INTO stops VALUES (?, ?, ?)");
    durably(this.database, () => void insert.run(spec.owner, spec.id, this.now()));
    this.hear(spec);
    for (const listener of this.#listeners) listener({ owner: spec.owner, id: spec.id });
  }

  /** Another process of the provider has it on disk. */
  hear(spec: Stoppable): void {
    this.#known.set(keyOf(spec), true);
    this.#count = null;
  }

  /** @param listener told of each stop from now on. @returns tells it of no more */
  onStop(listener: (spec: Stoppable) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** What a deployment that its owner has stopped is refused with. */
export function stopped(): KhachapuriError {
  return new KhachapuriError("stopped", "the owner has stopped this deployment");
}

function keyOf({ owner, id }: Stoppable): string {
  return `${owner}:${id}`;
}

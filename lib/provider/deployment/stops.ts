/** Which deployments their owner has stopped; for ever, and across restarts. */
import type { DatabaseSync } from "node:sqlite";
import { KhachapuriError } from "../../errors.ts";
import type { Spec } from "../../spec/schema.ts";
import { durably } from "../../durably.ts";

/** An id is its owner's word only: keyed by both, nobody can stop another's deployment. */
export type Stoppable = Pick<Spec, "owner" | "id">;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS stops (
    owner TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (owner, id)
  ) STRICT;
`;

export class Stops {
  readonly #known = new Set<string>();
  readonly #listeners = new Set<(spec: Stoppable) => void>();

  constructor(private readonly database: DatabaseSync, private readonly now: () => number) {
    database.exec(SCHEMA);
    const rows = database.prepare("SELECT owner, id FROM stops").all() as unknown as Stoppable[];
    for (const row of rows) this.#known.add(keyOf(row));
  }

  /** How many there are. */
  get count(): number {
    return this.#known.size;
  }

  has(spec: Stoppable): boolean {
    return this.#known.has(keyOf(spec));
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
    this.#known.add(keyOf(spec));
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

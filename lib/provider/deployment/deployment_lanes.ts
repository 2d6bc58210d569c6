/**
 * Which lanes of payers are those that deployments of their own count on. A lane is a hash of the
 * deployment's id, so it is written down beside it. What an earlier release registered has none
 * yet: that is made up for a few at a time, and meanwhile found by its owner.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import { deploymentLane } from "../../permit.ts";
import { MadeUp } from "./made_up.ts";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS deploymentLanes (
    owner TEXT NOT NULL, lane TEXT NOT NULL, PRIMARY KEY (owner, lane)
  ) STRICT, WITHOUT ROWID;
`;

/** Deployments that are made up for at a time: a hash each, some 20 µs. */
const MADE_UP_AT_ONCE = 64;

interface Row {
  readonly number: number;
  readonly owner: Address;
  readonly id: Hex;
}

export class DeploymentLanes {
  readonly #insert: StatementSync;
  readonly #find: StatementSync;
  readonly #next: StatementSync;
  readonly #unmade: StatementSync;
  readonly #madeUp: MadeUp;

  /** @param database has the table of deployments */
  constructor(database: DatabaseSync) {
    database.exec(SCHEMA);
    this.#insert = database.prepare("INSERT OR IGNORE INTO deploymentLanes VALUES (?, ?)");
    this.#find = database.prepare("SELECT 1 FROM deploymentLanes WHERE owner = ? AND lane = ?");
    const rows = "SELECT rowid AS number, owner, id FROM deployments WHERE";
    this.#next = database.prepare(`${rows} rowid > ? ORDER BY rowid LIMIT ${MADE_UP_AT_ONCE}`);
    this.#unmade = database.prepare(`${rows} owner = ? AND rowid > ? AND rowid <= ?`);
    this.#madeUp = new MadeUp(database, "lanes");
  }

  /** A deployment is registered as row `number` in the same transaction. */
  add(number: number, owner: Address, id: Hex, lane = deploymentLane(id)): void {
    this.#insert.run(owner, lane);
    this.#madeUp.add(number);
    this.#makeUp();
  }

  has(owner: Address, lane: Hex): boolean {
    if (this.#find.get(owner, lane)) return true;
    const { upTo, last } = this.#madeUp;
    if (upTo === last) return false;
    const unmade = this.#unmade.all(owner, upTo, last) as unknown as Row[];
    return unmade.some(({ id }) => deploymentLane(id) === lane);
  }

  #makeUp(): void {
    const { upTo, last } = this.#madeUp;
    if (upTo === last) return;
    const rows = this.#next.all(upTo) as unknown as Row[];
    for (const { owner, id } of rows) this.#insert.run(owner, deploymentLane(id));
    this.#madeUp.advance(rows.at(-1)?.number ?? last);
  }
}

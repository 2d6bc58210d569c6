/**
 * Lanes beside the journal, so that a start need not replay it. A lane's row is true as of a row of
 * the journal of its own (`seq`), and is written after that one: whatever the machine loses, no
 * lane counts what the journal does not have. Up to the row `low` of the checkpoint nothing of the
 * journal is needed, as every lane that it changed has been kept since.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Address, Hex } from "viem";
import type { Parked, ParkedSums, Reservation } from "./book.ts";
import type { Lane } from "./lane.ts";
import { type KeptLane, laneFrom, stateText } from "./lane_state.ts";
import { LEDGER_VERSION } from "./version.ts";

/** A lane that the escrow has nothing to settle on may be parked: its payer's sums have it, too. */
export const LANES_SCHEMA = `
  CREATE TABLE IF NOT EXISTS lanes (
    payer TEXT NOT NULL,
    lane TEXT NOT NULL,
    seq INTEGER NOT NULL,
    parked INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (payer, lane)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS lanes_here ON lanes (parked) WHERE parked = 0;
  CREATE TABLE IF NOT EXISTS accounts (
    payer TEXT PRIMARY KEY,
    lanes INTEGER NOT NULL,
    opened TEXT NOT NULL,
    charged TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    low INTEGER NOT NULL,
    nextReservation INTEGER NOT NULL
  ) STRICT
`;

/** What of the journal no start needs any more. */
export interface Mark {
  /** Rows up to this one. */
  readonly low: number;
  /** After all of theirs. */
  readonly nextReservation: number;
}

interface LaneRow {
  payer: Address;
  lane: Hex;
  seq: number;
  state: string;
}

/** A lane as it was kept, and as of which row of the journal. */
export type LaneAsOf = KeptLane & { readonly seq: number };

export class LaneTable {
  readonly #one: StatementSync;
  readonly #sums: StatementSync;
  readonly #write: StatementSync;
  readonly #writeSums: StatementSync;

  /** @param database has LANES_SCHEMA */
  constructor(private readonly database: DatabaseSync) {
    this.#one = database.prepare(`
      SELECT payer, lane, seq, state FROM lanes WHERE payer = ? AND lane = ? AND parked = 1
    `);
    this.#sums = database.prepare("SELECT lanes, opened, charged FROM accounts WHERE payer = ?");
    this.#write = database.prepare("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?)");
    this.#writeSums = database.prepare("INSERT OR REPLACE INTO accounts VALUES (?, ?, ?, ?)");
  }

  /** All that are not parked. */
  here(): Iterable<LaneAsOf> {
    return this.#each("WHERE parked = 0");
  }

  all(): Iterable<LaneAsOf> {
    return this.#each("");
  }

  /** One that is parked. */
  parked(payer: Address, lane: Hex): LaneAsOf | undefined {
    const row = this.#one.get(payer, lane);
    return row && laneAsOf(row as unknown as LaneRow);
  }

  sums(payer: Address): ParkedSums | undefined {
    const row = this.#sums.get(payer) as { lanes: number; opened: string; charged: string };
    if (row === undefined || row.lanes === 0) return undefined;
    return { lanes: row.lanes, opened: BigInt(row.opened), charged: BigInt(row.charged) };
  }

  /**
   * Keeps a lane as it is now, within a transaction.
   * @param reservations in which what is held on it is
   * @param seq the row of the journal that came last
   * @returns how many lanes its payer has parked now; null: as many as before
   */
  keep(
    lane: Lane,
    reservations: ReadonlyMap<number, Reservation>,
    { seq, isParked }: { seq: number; isParked: boolean },
  ): number | null {
    const before = this.parked(lane.payer, lane.lane)?.lane;
    const state = stateText(lane, reservations);
    this.#write.run(lane.payer, lane.lane, seq, isParked ? 1 : 0, state);
    if (before === undefined && !isParked) return null;
    let { lanes, opened, charged } = this.sums(lane.payer) ?? NO_SUMS;
    for (const [counted, by] of [[before, -1], [isParked ? lane : undefined, 1]] as const) {
      if (counted === undefined) continue;
      lanes += by;
      opened += BigInt(by) * counted.opened;
      charged += BigInt(by) * counted.charged;
    }
    this.#writeSums.run(lane.payer, lanes, String(opened), String(charged));
    return lanes;
  }

  *#each(condition: string): Iterable<LaneAsOf> {
    const rows = this.database.prepare(`SELECT payer, lane, seq, state FROM lanes ${condition}`);
    for (const row of rows.iterate() as Iterable<unknown>) yield laneAsOf(row as LaneRow);
  }
}

/** For whoever only reads: what is parked comes back from where it is. */
export function parkedIn(table: LaneTable): Parked {
  return {
    lane: (payer, lane) => table.parked(payer, lane)?.lane,
    sums: (payer) => table.sums(payer),
  };
}

/** What no start needs; nothing where no lane was ever kept. */
export function markIn(database: DatabaseSync): Mark {
  if (!hasLanes(database)) return NO_MARK;
  const row = database.prepare("SELECT low, nextReservation FROM checkpoint").get();
  return row as unknown as Mark | undefined ?? NO_MARK;
}

/** From the first one on, whoever reads rows alone refuses the ledger. */
export function moveMark(database: DatabaseSync, { low, nextReservation }: Mark): void {
  database.exec(`PRAGMA user_version = ${LEDGER_VERSION}`);
  database.prepare("INSERT OR REPLACE INTO checkpoint VALUES (0, ?, ?)").run(low, nextReservation);
}

/** Whether the ledger is one that keeps lanes. */
export function hasLanes(database: DatabaseSync): boolean {
  const table = "SELECT 1 FROM main.sqlite_master WHERE name = 'checkpoint'";
  return database.prepare(table).get() !== undefined;
}

const NO_MARK: Mark = { low: 0, nextReservation: 1 };
const NO_SUMS: ParkedSums = { lanes: 0, opened: 0n, charged: 0n };

function laneAsOf({ payer, lane, seq, state }: LaneRow): LaneAsOf {
  return { ...laneFrom({ payer, lane }, state), seq };
}

/** What the database knows of lanes, for who settles and for who reads. */
import type { Address, Hex } from "viem";
import { REORGANISED_BLOCKS_MAX } from "../../../limits.ts";
import type { Database } from "../../fleet/database.ts";
import { dueLane } from "../due_lane.ts";
import type { LaneId, Outcome } from "../journal.ts";
import type { Lane } from "../lane.ts";
import type { Basis, ChainFact, DueLane, LaneFigures, LaneState } from "../ledger.ts";
import type { ReceiptedCharge } from "../store.ts";
import { stateOf } from "../told_lane.ts";
import { type LaneJson, laneOfJson } from "./lane_json.ts";
import type { RowFacts } from "./turn.ts";

const LANES =
  "SELECT a.payer, lane_json(l) AS lane FROM lanes l JOIN accounts a ON a.id = l.account";

interface LaneRow {
  readonly payer: Address;
  readonly lane: LaneJson;
}

interface ChargeRow {
  readonly at: string;
  readonly payer: Address;
  readonly lane: Hex;
  readonly charged: string;
  readonly price: string;
  readonly cid: ReceiptedCharge["facts"]["cid"];
  readonly outcome: Outcome;
  readonly facts: RowFacts;
}

/** Sums over all lanes. */
export interface LaneSums {
  /** USDC base units. */
  readonly unsettled: bigint;
  readonly dueLanes: number;
}

export class LaneReader {
  constructor(private readonly database: Database) {}

  async due(payer?: Address): Promise<DueLane[]> {
    const isOne = payer !== undefined;
    const lanes = await this.#lanes(
      isOne ? "l.due AND a.payer = $1" : "l.due",
      isOne ? [payer] : [],
    );
    return lanes.map(dueLane);
  }

  async lane({ payer, lane }: LaneId): Promise<LaneState | undefined> {
    const [found] = await this.#lanes("a.payer = $1 AND l.lane = $2", [payer, lane]);
    return found && stateOf(found);
  }

  async unsure(block: bigint): Promise<LaneState[]> {
    return await this.#states("l.settled_block > $1 OR l.refused IS NOT NULL", [String(block)]);
  }

  async settledAbove(block: bigint): Promise<LaneState[]> {
    return await this.#states("l.settled_block > $1", [String(block)]);
  }

  async refused(payer: Address): Promise<LaneState[]> {
    return await this.#states("a.payer = $1 AND l.refused IS NOT NULL", [payer]);
  }

  async basis(payer: Address, asked: Hex, block: bigint): Promise<Basis> {
    const [row] = await this.database.ask<{ basis: BasisJson }>(
      "SELECT basis_1($1, $2, $3) AS basis",
      [payer, asked, String(block)],
    );
    const { settledHere, lanes } = row!.basis;
    const known = new Map<Hex, bigint | null>([[asked, null]]);
    for (const [lane, settled] of lanes) known.set(lane, BigInt(settled));
    return { settledHere: BigInt(settledHere), lanes: known };
  }

  async record(facts: readonly ChainFact[]): Promise<void> {
    if (facts.length === 0) return;
    await this.database.ask("SELECT record_1($1::text::jsonb)", [
      JSON.stringify(facts.map(factJson)),
    ]);
  }

  async forgetAbove(block: bigint): Promise<void> {
    await this.database.ask("SELECT forget_above_1($1)", [String(block)], { isLong: true });
  }

  async receipted(reservation: number): Promise<ReceiptedCharge | undefined> {
    const [row] = await this.database.ask<ChargeRow>(
      `SELECT j.at, a.payer, l.lane, j.charged, j.price, j.cid, j.outcome, j.facts
        FROM journal j JOIN lanes l ON l.id = j.lane JOIN accounts a ON a.id = l.account
        WHERE j.reservation = $1 AND j.facts IS NOT NULL`,
      [reservation],
    );
    if (row === undefined) return undefined;
    const { at, payer, lane, cid, outcome, facts } = row;
    const [price, charged] = [BigInt(row.price), BigInt(row.charged)];
    return {
      ...{ kind: "charge", seq: reservation, at: new Date(Number(at)), payer, lane, reservation },
      ...{ outcome, facts: { ...facts, cid, price, charged } },
    };
  }

  async sums(): Promise<LaneSums> {
    const [row] = await this.database.ask<{ unsettled: string; lanes: number }>(
      `SELECT coalesce(sum(owed), 0)::text AS unsettled, count(*)::int4 AS lanes
        FROM lanes WHERE due`,
    );
    return { unsettled: BigInt(row!.unsettled), dueLanes: row!.lanes };
  }

  async figures(): Promise<LaneFigures> {
    const [row] = await this.database.ask<{ open: number; refused: number; amount: string }>(
      `SELECT count(*) FILTER (WHERE charged > settled)::int4 AS open,
          count(*) FILTER (WHERE refused IS NOT NULL)::int4 AS refused,
          coalesce(sum(owed) FILTER (WHERE refused IS NOT NULL), 0)::text AS amount
        FROM lanes WHERE due OR refused IS NOT NULL`,
    );
    const { open: outstanding, refused, amount } = row!;
    return { outstanding, refused, refusedAmount: BigInt(amount) };
  }

  async #states(where: string, parameters: readonly string[]): Promise<LaneState[]> {
    return (await this.#lanes(where, parameters)).map(stateOf);
  }

  async #lanes(where: string, parameters: readonly string[]): Promise<Lane[]> {
    const rows = await this.database.ask<LaneRow>(`${LANES} WHERE ${where}`, parameters, {
      isLong: true,
    });
    return rows.map(({ payer, lane }) => laneOfJson(payer, lane));
  }
}

interface BasisJson {
  readonly settledHere: string;
  readonly lanes: readonly (readonly [lane: Hex, settled: string])[];
}

function factJson(fact: ChainFact) {
  const { payer, lane } = fact;
  if (fact.fact === "refused") return { payer, lane, fact: fact.fact, reason: fact.reason };
  const { settled, block } = fact;
  return {
    ...{ payer, lane, fact: fact.fact, settled: String(settled), block: String(block) },
    final: String(block - BigInt(REORGANISED_BLOCKS_MAX)),
  };
}

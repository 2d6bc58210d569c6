/**
 * What became of a batch's rows. The escrow skips a row with a reason and charges the others: a
 * lane is brought level, or settled in part, or refused, and then not sent again.
 */
import {
  type Address,
  encodeEventTopics,
  type Hex,
  type Log as ChainLog,
  type TransactionReceipt,
} from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Log } from "../../log.ts";
import type { LaneId } from "../ledger/journal.ts";
import type { LaneState, Ledger } from "../ledger/ledger.ts";
import { level, readAllowances, type Site } from "./counters.ts";
import { parseEscrowLogs, skipReason } from "./escrow_events.ts";
import { keyOf, type Row } from "./rows.ts";

export interface OutcomesOptions extends Site {
  ledger: Pick<Ledger, "lane" | "record">;
  log: Log;
  /** Ms since the epoch. */
  now: () => number;
}

/** A lane of which the allowance covers only a part: the next batch takes what is there. */
interface Part extends LaneId {
  /** The lane's counter that the allowance still covers. */
  readonly upTo: bigint;
  /** The batch in which that showed. */
  readonly transaction: Hex;
  /** Ms since the epoch. */
  readonly knownAt: number;
}

/** What an allowance covers is looked at again after this long, should an event be missed, ms. */
const PART_AGE_MS = 6 * 3_600_000;

interface Skip {
  readonly lane: LaneState;
  readonly reason: string;
}

const [CHARGED, SKIPPED] = (["Charged", "ChargeSkipped"] as const).map((eventName) =>
  encodeEventTopics({ abi: escrowAbi, eventName })[0]!
);

export class Outcomes {
  readonly #parts = new Map<string, Part>();

  constructor(private readonly options: OutcomesOptions) {}

  /** The counter up to which a lane is to be settled; undefined: all of it. */
  upTo(lane: LaneId): bigint | undefined {
    return this.#parts.get(keyOf(lane))?.upTo;
  }

  /** Payers of lanes whose part is still to be taken. */
  partPayers(): Address[] {
    return [...new Set([...this.#parts.values()].map(({ payer }) => payer))];
  }

  /** The payer's allowance has changed: what was known of it is not held against what comes. */
  forgetParts(payer: Address): void {
    for (const [key, part] of this.#parts) if (part.payer === payer) this.#parts.delete(key);
  }

  /**
   * What is known for so long is looked at anew, should we have missed a change. Not before: a part
   * that is not worth its gas would have all of the debt be sent and skipped, round after round.
   */
  forgetOldParts(): void {
    const oldest = this.options.now() - PART_AGE_MS;
    for (const [key, { knownAt }] of this.#parts) if (knownAt < oldest) this.#parts.delete(key);
  }

  /**
   * Writes down what a mined batch tells beyond its charges, which the ledger has.
   * @returns whether a row was skipped as the operator's day is used up
   * @throws Error when it reverted, or when the events are missing that each row must have
   */
  async land(rows: readonly Row[], receipt: TransactionReceipt): Promise<boolean> {
    const { escrow, ledger } = this.options;
    if (receipt.status !== "success") throw new Error("the batch reverted");
    const logs = receipt.logs.filter(({ address }) => isSame(address, escrow));
    const told = logs.filter(({ topics: [topic] }) => topic === CHARGED || topic === SKIPPED);
    // Taken as it is, it would have us send the same again and again.
    if (told.length < rows.length) {
      throw new Error("the chain does not tell what became of the batch");
    }
    const skips: Skip[] = [];
    for (const { args } of skipsIn(escrow, logs)) {
      const lane = await ledger.lane(args);
      // A row that another settlement of the same lane overtook was skipped and lost nothing.
      if (!lane || lane.settled >= args.credits || hasOthers(lane, rows)) continue;
      skips.push({ lane, reason: skipReason(args.reason) });
    }
    for (const { lane } of rows) await this.#endPart(lane);
    return await this.#noteSkips(skips, receipt.transactionHash);
  }

  /** Once a lane's part is taken, what lies beyond is owed by an allowance that is used up. */
  async #endPart(id: LaneId): Promise<void> {
    const part = this.#parts.get(keyOf(id));
    const lane = part && await this.options.ledger.lane(id);
    if (!lane || lane.settled < part.upTo) return;
    this.#parts.delete(keyOf(id));
    if (lane.charged > part.upTo) {
      await this.#refuse(lane, "InsufficientCredits", part.transaction);
    }
  }

  async #noteSkips(skips: readonly Skip[], transaction: Hex): Promise<boolean> {
    const { ledger } = this.options;
    const of = (wanted: string) =>
      skips.filter(({ reason }) => reason === wanted).map(({ lane }) => lane);
    await level(this.options, ledger, of("AlreadyCharged"));
    await this.#takeParts(of("InsufficientCredits"), transaction);
    for (const { lane, reason } of skips) {
      if (!HANDLED.has(reason)) await this.#refuse(lane, reason, transaction);
    }
    return skips.some(({ reason }) => reason === "DailyCapReached");
  }

  /** Lanes whose allowance covers less than what is due. */
  async #takeParts(lanes: readonly LaneState[], transaction: Hex): Promise<void> {
    const held = await readAllowances(this.options, [...new Set(lanes.map(({ payer }) => payer))]);
    for (const lane of lanes) {
      const { payer, lane: id, settled } = lane;
      const { credits } = held.get(payer)!;
      const upTo = settled + credits;
      // The same part was refused before: whatever the endpoint says, it is not there.
      if (credits === 0n || this.upTo(lane) === upTo) {
        await this.#refuse(lane, "InsufficientCredits", transaction);
      } else {
        const knownAt = this.options.now();
        this.#parts.set(keyOf(lane), { payer, lane: id, upTo, transaction, knownAt });
      }
    }
  }

  async #refuse(lane: LaneState, reason: string, transaction: Hex): Promise<void> {
    const { ledger, log } = this.options;
    const { payer, lane: id } = lane;
    this.#parts.delete(keyOf(lane));
    await ledger.record([{ fact: "refused", payer, lane: id, reason, transaction }]);
    log.error("the escrow refused to settle a lane", { payer, lane: id, reason, transaction });
  }
}

/** Reasons that refuse no lane. */
const HANDLED: ReadonlySet<string> = new Set([
  "AlreadyCharged",
  "InsufficientCredits",
  "DailyCapReached",
]);

/** Whether the lane was refused, or given another permit, while the batch was on its way. */
function hasOthers({ payer, lane, refused, permits }: LaneState, rows: readonly Row[]): boolean {
  const sent = rows.filter((row) => row.lane.payer === payer && row.lane.lane === lane);
  const isKept = sent.some(({ charge: { permit: { signature } } }) =>
    permits.some(({ permit }) => permit.signature === signature)
  );
  return refused !== null || !isKept;
}

function skipsIn(escrow: Address, logs: readonly ChainLog[]) {
  const skipped = logs.filter(({ topics: [topic] }) => topic === SKIPPED);
  return parseEscrowLogs(escrow, skipped).filter((event) => event.eventName === "ChargeSkipped");
}

function isSame(one: Address, other: Address): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

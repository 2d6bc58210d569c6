/**
 * Settlement in the background: what runs have used goes to the escrow in batches, by time, by
 * amount, when a payer starts to revoke, and at shutdown. A row is cumulative, so sending it twice
 * charges once. A row that the escrow refuses is written down and not sent again.
 */
import type { Address, Hex } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import { type Charge, readAllowance, readConsumed } from "../../chain/escrow.ts";
import type { Log } from "../../log.ts";
import { parseEscrowLogs, skipReason } from "./escrow_events.ts";
import type { BlockId } from "./follower.ts";
import type { Lane } from "../ledger/journal.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Operator } from "./operator.ts";
import { within } from "../../within.ts";

export interface SettlementOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  ledger: Ledger;
  operator: Operator;
  log: Log;
  /** Settles at least this often while something is due, ms. */
  intervalMs: number;
  /** How long the last batch is waited for, ms. */
  closeWaitMs?: number;
  /** The ledger is about to rest on what this block says. */
  noteBlock(block: BlockId): void;
  /** Settles at once when this much is due, USDC base units. */
  amount: bigint;
}

export interface Settlement {
  /** A run was charged: settles when enough is due. */
  noticeCharge(): void;
  /** Settles what is due now; resolves when it is mined or put off by an unreachable chain. */
  settleNow(): Promise<void>;
  /** The lane's counter is what the escrow says; a refusal is forgotten. */
  level(lane: Lane): Promise<void>;
  /** Settles a last time, then stops; a chain that takes too long is left to the next start. */
  close(): Promise<void>;
}

/** A last batch has this long to be mined: a stop must end, whatever the chain does, ms. */
const CLOSE_WAIT_MS = 20_000;

/** Rows of one transaction: about 2 million gas when every lane is new. */
const ROWS_MAX = 50;

export function createSettlement(options: SettlementOptions): Settlement {
  const { ledger, chain, escrow, provider, log } = options;
  /** Lanes of which the allowance covers only a part, within one settlement: no row goes beyond. */
  const caps = new Map<Lane, Cap>();
  let running: Promise<void> | null = null;
  let isAskedAgain = false;

  async function level(lane: Lane): Promise<void> {
    const { payer, lane: id } = lane;
    const credits = await readConsumed(chain, escrow, payer, provider, id);
    // Asked afterwards: a block that is too early would let views overlook the settlement.
    const block = await chain.public.getBlockNumber({ cacheTime: 0 });
    await ledger.append({ kind: "settle", payer, lane: id, credits, block, transaction: null });
  }

  /** The allowance covers less than what is due: take what is there, write the rest off. */
  async function takeRest(lane: Lane, transaction: Hex): Promise<boolean> {
    const { credits } = await readAllowance(chain, escrow, lane.payer, provider);
    const upTo = lane.settled + credits;
    if (credits === 0n || caps.get(lane)?.upTo === upTo) return false;
    caps.set(lane, { upTo, transaction });
    return true;
  }

  async function refuse(lane: Lane, reason: string, transaction: Hex): Promise<void> {
    caps.delete(lane);
    const { payer, lane: id, charged: credits } = lane;
    await ledger.append({ kind: "skip", payer, lane: id, credits, reason, transaction });
    log.error("the escrow refused to settle a lane", { payer, lane: id, reason, transaction });
  }

  async function noteSkip(lane: Lane, reason: string, transaction: Hex): Promise<void> {
    if (reason === "AlreadyCharged") return await level(lane);
    if (reason === "InsufficientCredits" && await takeRest(lane, transaction)) return;
    await refuse(lane, reason, transaction);
  }

  async function settleRows(rows: readonly Row[]): Promise<void> {
    const charges = rows.map(({ charge }) => charge);
    const receipt = await options.operator.send({
      address: escrow,
      abi: escrowAbi,
      functionName: "consume",
      args: [charges],
    });
    if (receipt.status !== "success") throw new Error("the batch reverted");
    const { transactionHash } = receipt;
    for (const event of parseEscrowLogs(escrow, receipt.logs)) {
      if (event.eventName !== "ChargeSkipped") continue;
      const { payer, lane: id, credits, reason } = event.args;
      const lane = ledger.lane(payer, id);
      // A row that lost a race against its like is no news.
      if (!lane || lane.settled >= credits) continue;
      await noteSkip(lane, skipReason(reason), transactionHash);
    }
    log.info("settled", { rows: rows.length, transaction: transactionHash });
  }

  const progressOf = ({ lane }: Row) => [lane.settled, lane.refused, caps.get(lane)?.upTo].join();

  /** What lies beyond the caps is owed by an allowance that is used up. */
  async function refuseRest(): Promise<void> {
    for (const [lane, { upTo, transaction }] of caps) {
      if (lane.charged > upTo) await refuse(lane, "InsufficientCredits", transaction);
    }
  }

  async function settleAll(): Promise<void> {
    caps.clear();
    for (;;) {
      const rows = dueRows(ledger, caps).slice(0, ROWS_MAX);
      if (rows.length === 0) return await refuseRest();
      const before = rows.map(progressOf);
      await settleRows(rows);
      // A receipt without the events that it must have would have us send for ever.
      if (rows.every((row, index) => progressOf(row) === before[index])) {
        throw new Error("the chain does not tell what became of the batch");
      }
    }
  }

  async function settleNow(): Promise<void> {
    if (running) {
      isAskedAgain = true;
      return await running;
    }
    running = (async () => {
      do {
        isAskedAgain = false;
        await settleAll();
      } while (isAskedAgain);
    })().catch((error) => log.warn("settlement put off", { error })).finally(() => running = null);
    return await running;
  }

  const timer = setInterval(settleNow, options.intervalMs);
  return {
    settleNow,
    level,
    noticeCharge() {
      if (ledger.unsettled() >= options.amount) settleNow();
    },
    async close() {
      clearInterval(timer);
      await within(settleNow(), options.closeWaitMs ?? CLOSE_WAIT_MS);
    },
  };
}

interface Cap {
  /** The lane's count that the allowance still covers. */
  upTo: bigint;
  /** The batch in which that showed. */
  transaction: Hex;
}

interface Row {
  lane: Lane;
  charge: Charge;
}

/** One row for each price of each lane, a payer's side by side: neighbours share storage reads. */
function dueRows(ledger: Ledger, caps: ReadonlyMap<Lane, Cap>): Row[] {
  const rows: Row[] = [];
  for (const lane of ledger.lanes()) {
    const { permit, settled, segments } = lane;
    if (!permit || lane.refused !== null || lane.charged <= settled) continue;
    const cap = caps.get(lane)?.upTo ?? lane.charged;
    let from = settled;
    for (const { credits, price } of segments) {
      const upTo = credits < cap ? credits : cap;
      if (upTo <= from) continue;
      rows.push({ lane, charge: { permit, credits: upTo, price } });
      from = upTo;
    }
  }
  return rows.sort((a, b) => a.lane.payer < b.lane.payer ? -1 : 1);
}

/**
 * Settlement in the background: what runs have used goes to the escrow in batches, by time, by
 * amount, when a payer starts to revoke, and at shutdown. A row is cumulative, so sending it twice
 * charges once. A row that the escrow refuses is written down and not sent again.
 */
import type { Address, Hex } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import type { Chain } from "../../chain/client.ts";
import { type Allowance, readAllowance } from "../../chain/escrow.ts";
import { escrowCall } from "../../chain/escrow_call.ts";
import type { Charge } from "../../chain/escrow_provider.ts";
import type { Log } from "../../log.ts";
import { within } from "../../within.ts";
import type { LaneId } from "../ledger/journal.ts";
import type { LaneState, Ledger } from "../ledger/ledger.ts";
import { leftToday } from "../ledger/operator_room.ts";
import { parseEscrowLogs, skipReason } from "./escrow_events.ts";
import type { Operator } from "./operator.ts";
import type { OperatorWatch } from "./operator_watch.ts";

export interface SettlementOptions {
  chain: Chain;
  escrow: Address;
  provider: Address;
  ledger: Pick<Ledger, "due" | "lane" | "record" | "refused" | "totals">;
  operator: Pick<Operator, "send">;
  watch: Pick<OperatorWatch, "limits" | "expect" | "look">;
  log: Log;
  /** Settles at least this often while something is due, ms. */
  intervalMs: number;
  /** Settles at once when this much is due, USDC base units. */
  amount: bigint;
  /** How long the last batch is waited for, ms. */
  closeWaitMs?: number;
}

/** A last batch has this long to be mined: a stop must end, whatever the chain does, ms. */
const CLOSE_WAIT_MS = 20_000;

/** Rows of one transaction: about 2 million gas when every lane is new. */
const BATCH_ROWS = 50;

/** A lane of which the allowance covers only a part, within one settlement. */
interface Cap extends LaneId {
  /** The lane's counter that the allowance still covers. */
  upTo: bigint;
  /** The batch in which that showed. */
  transaction: Hex;
}

/** One row of a batch: a lane's counter up to which one price holds. */
interface Row {
  lane: LaneState;
  charge: Charge;
  /** Credits that it charges: those between the counter before it and `charge.credits`. */
  fresh: bigint;
}

export class Settlement {
  readonly #options: SettlementOptions;
  /** No row of this settlement goes beyond these. */
  readonly #caps = new Map<string, Cap>();
  readonly #timer: ReturnType<typeof setInterval>;
  /** A row was skipped because somebody else with the operator's key used the day's rest. */
  #isOverCap = false;
  #running: Promise<void> | null = null;
  #isAskedAgain = false;

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.settleNow(), options.intervalMs);
  }

  /** A run was charged: settles when enough is due. */
  noticeCharge(): void {
    const { ledger, amount } = this.#options;
    if (ledger.totals().unsettled >= amount) this.settleNow();
  }

  /** Settles what is due now; resolves when it is mined or put off by an unreachable chain. */
  async settleNow(): Promise<void> {
    if (this.#running) this.#isAskedAgain = true;
    else {
      this.#running = this.#settleAsAsked()
        .catch((error) => this.#options.log.warn("settlement put off", { error }))
        .finally(() => this.#running = null);
    }
    await this.#running;
  }

  /** Only this payer's lanes, now: it has given notice. */
  async settlePayer(_payer: Address): Promise<void> {
    await this.settleNow();
  }

  /** More is allowed: in the background, what that may cure is due again. */
  revive(payer: Address): void {
    const { ledger, log } = this.#options;
    ledger.refused(payer).then((lanes) => this.level(lanes)).catch((error) => {
      log.warn("what the escrow refused is not looked at again", { payer, error: String(error) });
    });
  }

  /** The lanes' counters are what the escrow says; a refusal is forgotten. */
  async level(lanes: readonly LaneId[]): Promise<void> {
    if (lanes.length === 0) return;
    const { chain, escrow, provider, ledger } = this.#options;
    const calls = lanes.map(({ payer, lane }) =>
      escrowCall(escrow, "consumed", [payer, provider, lane])
    );
    const counters = await chain.readMany<bigint>(calls);
    // Asked afterwards: a block that is too early would let views overlook the settlement.
    const block = await chain.public.getBlockNumber({ cacheTime: 0 });
    await ledger.record(lanes.map(({ payer, lane }, index) => {
      return { fact: "level", payer, lane, settled: counters[index]!, block };
    }));
  }

  /** Settles a last time, then stops; a chain that takes too long is left to the next start. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await within(this.settleNow(), this.#options.closeWaitMs ?? CLOSE_WAIT_MS);
  }

  async #settleAsAsked(): Promise<void> {
    do {
      this.#isAskedAgain = false;
      await this.#settleAll();
    } while (this.#isAskedAgain);
  }

  async #settleAll(): Promise<void> {
    this.#caps.clear();
    this.#isOverCap = false;
    let sent: readonly Row[] = [];
    let sentCaps: readonly (bigint | undefined)[] = [];
    for (let round = 0;; round++) {
      const due = await this.#options.ledger.due();
      // Also with nothing due: who was served nothing owes nothing, and its limits may have risen.
      if (round === 0) await this.#options.watch.look();
      // A receipt without the events that it must have would have us send the same for ever.
      if (sent.length > 0 && !this.#hasProgress(sent, sentCaps, due)) {
        throw new Error("the chain does not tell what became of the batch");
      }
      const rows = rowsOf(due, this.#caps);
      sent = (await this.#withinLimits(rows)).slice(0, BATCH_ROWS);
      if (sent.length === 0) return await this.#refuseRest();
      sentCaps = sent.map(({ lane }) => this.#caps.get(keyOf(lane))?.upTo);
      await this.#sendExpected(sent);
      // The next settlement looks again: an endpoint that hides it would have us send for ever.
      if (this.#isOverCap) return;
    }
  }

  /** What an operator with a daily cap cannot settle today waits, what ends last longest. */
  async #withinLimits(rows: Row[]): Promise<Row[]> {
    const { watch, log } = this.#options;
    const limits = watch.limits();
    if (limits === null || limits.dailyCap === 0n) return rows;
    const left = leftToday(limits);
    if (costOf(rows) <= left) return rows;
    const within = fitting(soonestFirst(rows, await this.#allowancesOf(rows)), left);
    const amount = costOf(rows) - costOf(within);
    log.warn("the operator's daily cap puts a part off", { amount, rows: within.length });
    return within;
  }

  /** Of the rows' payers: they may have given notice. */
  async #allowancesOf(rows: readonly Row[]): Promise<ReadonlyMap<Address, Allowance>> {
    const { chain, escrow, provider } = this.#options;
    const payers = [...new Set(rows.map(({ lane }) => lane.payer))];
    const found = new Map<Address, Allowance>();
    for (let at = 0; at < payers.length; at += BATCH_ROWS) {
      const some = payers.slice(at, at + BATCH_ROWS);
      const read = some.map((payer) => readAllowance(chain, escrow, payer, provider));
      for (const [index, held] of (await Promise.all(read)).entries()) {
        found.set(some[index]!, held);
      }
    }
    return found;
  }

  /** What it will use of the operator's cap counts as spent until the chain has told. */
  async #sendExpected(rows: readonly Row[]): Promise<void> {
    const { watch } = this.#options;
    const told = watch.expect(costOf(rows));
    try {
      await this.#send(rows);
      if (watch.limits() !== null) await watch.look();
    } finally {
      told();
    }
  }

  /** Whether a batch changed anything about one of its lanes: settled, refused or capped. */
  #hasProgress(
    sent: readonly Row[],
    sentCaps: readonly (bigint | undefined)[],
    due: readonly LaneState[],
  ): boolean {
    const now = new Map(due.map((lane) => [keyOf(lane), lane]));
    return sent.some(({ lane }, index) => {
      const key = keyOf(lane);
      const left = now.get(key);
      return left?.settled !== lane.settled || this.#caps.get(key)?.upTo !== sentCaps[index];
    });
  }

  async #send(rows: readonly Row[]): Promise<void> {
    const { escrow, operator, ledger, log } = this.#options;
    const receipt = await operator.send({
      address: escrow,
      abi: escrowAbi,
      functionName: "consume",
      args: [rows.map(({ charge }) => charge)],
    });
    if (receipt.status !== "success") throw new Error("the batch reverted");
    const { transactionHash } = receipt;
    for (const event of parseEscrowLogs(escrow, receipt.logs)) {
      if (event.eventName !== "ChargeSkipped") continue;
      const { credits, reason } = event.args;
      const lane = await ledger.lane(event.args);
      // A row that another settlement of the same lane overtook was skipped and lost nothing.
      if (!lane || lane.settled >= credits) continue;
      await this.#noteSkip(lane, skipReason(reason), transactionHash);
    }
    log.info("settled", { rows: rows.length, transaction: transactionHash });
  }

  async #noteSkip(lane: LaneState, reason: string, transaction: Hex): Promise<void> {
    if (reason === "AlreadyCharged") return await this.level([lane]);
    if (reason === "DailyCapReached") return void (this.#isOverCap = true);
    if (reason === "InsufficientCredits" && await this.#capToRest(lane, transaction)) return;
    await this.#refuse(lane, reason, transaction);
  }

  /** The allowance covers less than what is due: the next batch takes what is there. */
  async #capToRest(lane: LaneState, transaction: Hex): Promise<boolean> {
    const { chain, escrow, provider } = this.#options;
    const { payer, lane: id, settled } = lane;
    const { credits } = await readAllowance(chain, escrow, payer, provider);
    const upTo = settled + credits;
    const key = keyOf(lane);
    if (credits === 0n || this.#caps.get(key)?.upTo === upTo) return false;
    this.#caps.set(key, { payer, lane: id, upTo, transaction });
    return true;
  }

  /** What lies beyond the caps is owed by an allowance that is used up. */
  async #refuseRest(): Promise<void> {
    for (const cap of [...this.#caps.values()]) {
      const lane = await this.#options.ledger.lane(cap);
      if (!lane || lane.charged <= cap.upTo) continue;
      await this.#refuse(lane, "InsufficientCredits", cap.transaction);
    }
  }

  async #refuse(lane: LaneState, reason: string, transaction: Hex): Promise<void> {
    const { ledger, log } = this.#options;
    const { payer, lane: id } = lane;
    this.#caps.delete(keyOf(lane));
    await ledger.record([{ fact: "refused", payer, lane: id, reason, transaction }]);
    log.error("the escrow refused to settle a lane", { payer, lane: id, reason, transaction });
  }
}

function keyOf({ payer, lane }: LaneId): string {
  return `${payer}:${lane}`;
}

/** One row for each price of each lane, a payer's side by side: neighbours share storage reads. */
function rowsOf(lanes: readonly LaneState[], caps: ReadonlyMap<string, Cap>): Row[] {
  const rows: Row[] = [];
  for (const lane of lanes) {
    const { permit, settled, charged, segments } = lane;
    if (!permit) continue;
    const cap = caps.get(keyOf(lane))?.upTo ?? charged;
    let from = settled;
    for (const { upTo: end, price } of segments) {
      const credits = end < cap ? end : cap;
      if (credits <= from) continue;
      rows.push({ lane, charge: { permit, credits, price }, fresh: credits - from });
      from = credits;
    }
  }
  return rows.sort(({ lane: { payer: a } }, { lane: { payer: b } }) => a < b ? -1 : a > b ? 1 : 0);
}

/** USDC base units that rows come to. */
function costOf(rows: readonly Row[]): bigint {
  return rows.reduce((sum, { charge, fresh }) => sum + fresh * charge.price, 0n);
}

/** What can be settled for the shortest time comes first. */
function soonestFirst(
  rows: readonly Row[],
  allowances: ReadonlyMap<Address, Allowance>,
): Row[] {
  const ends = new Map(rows.map((row) => [row, endOf(row, allowances.get(row.lane.payer))]));
  return rows.toSorted((a, b) =>
    Number(ends.get(a)! > ends.get(b)!) - Number(ends.get(a)! < ends.get(b)!)
  );
}

/** When the permit ends, or its epoch does, or the payer's credits have thawed; Unix seconds. */
function endOf({ charge: { permit } }: Row, held: Allowance | undefined): bigint {
  const ends = [permit.deadline];
  if (held && held.epochEnd > 0n && permit.epoch === held.epoch) ends.push(held.epochEnd);
  if (held && held.thawEnd > 0n) ends.push(held.thawEnd);
  return ends.reduce((one, other) => one < other ? one : other);
}

/** The rows that cost at most `room` together, USDC base units; of a row as much as fits. */
function fitting(rows: readonly Row[], room: bigint): Row[] {
  const within: Row[] = [];
  const cut = new Set<string>();
  let left = room;
  for (const row of rows) {
    const key = keyOf(row.lane);
    // A lane's later rows go on from where the earlier ones end.
    if (cut.has(key)) continue;
    const { charge, fresh } = row;
    const affordable = charge.price === 0n ? fresh : left / charge.price;
    const taken = affordable < fresh ? affordable : fresh;
    if (taken < fresh) cut.add(key);
    if (taken === 0n) continue;
    const credits = charge.credits - fresh + taken;
    within.push({ ...row, charge: { ...charge, credits }, fresh: taken });
    left -= taken * charge.price;
  }
  return within;
}

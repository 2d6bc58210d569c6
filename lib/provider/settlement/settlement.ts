/**
 * Settlement in the background: what runs have used goes to the escrow in batches. A round takes
 * what is due at its start, each debt in its turn (turn.ts), and ends; what becomes due meanwhile
 * is the next round's, so nobody keeps others waiting by owing more.
 */
import type { Address } from "viem";
import type { Chain } from "../../chain/client.ts";
import { asChainError } from "../../chain/refusal.ts";
import type { Log } from "../../log.ts";
import { within } from "../../within.ts";
import type { LaneId } from "../ledger/journal.ts";
import type { DueLane, Ledger } from "../ledger/ledger.ts";
import type { Terms } from "../ledger/lane_permits.ts";
import { rowsOf } from "../ledger/rows.ts";
import { inSlices } from "../../slices.ts";
import { BatchSender } from "./batch_sender.ts";
import { BATCH_GAS, type Capacity } from "./capacity.ts";
import { encodeCharges } from "./charge_data.ts";
import { level, readAllowances } from "./counters.ts";
import { Flights } from "./flights.ts";
import { costOf } from "./gas_worth.ts";
import type { Operator } from "./operator.ts";
import type { OperatorWatch } from "./operator_watch.ts";
import { Outcomes } from "./outcomes.ts";
import { backlogOf, type SettlingPace } from "./pace.ts";
import { Revival } from "./revival.ts";
import { Round } from "./round.ts";
import type { Row } from "./rows.ts";
import type { SettlementTally } from "./tally.ts";
import type { Ends, Turn } from "./turn.ts";

export interface SettlementOptions {
  chain: Pick<Chain, "endpoint" | "public" | "readMany">;
  escrow: Address;
  provider: Address;
  ledger: Pick<Ledger, "due" | "dueOf" | "lane" | "record" | "refused" | "totals">;
  operator: Pick<Operator, "address" | "launch" | "gasPrice">;
  watch: Pick<OperatorWatch, "limits" | "expect" | "look">;
  capacity: Capacity;
  tally?: Pick<SettlementTally, "landed">;
  log: Log;
  /** Ms since the epoch. */
  now: () => number;
  /** Settles at least this often while something is due, ms. */
  intervalMs: number;
  /** Settles at once when this much is due, USDC base units. */
  amount: bigint;
  /** How long before its end a debt is settled while nothing waits, seconds. */
  windowSeconds: number;
  /** What a whole gas coin is worth, USDC base units; zero where gas costs nothing. */
  coinPrice: bigint;
  /** How long the last batches are waited for, ms. */
  closeWaitMs?: number;
  /** Nothing is settled before: what an earlier process sent may do. */
  begins?: Promise<unknown>;
}

/** Last batches have this long to be mined: a stop must end, whatever the chain does, ms. */
const CLOSE_WAIT_MS = 20_000;
/** After a failure a charge starts no settlement for so long, ms. */
const QUIET_MS = 5_000;
/** A payer's terms are read again after this long, should an event be missed, ms. */
const TERMS_AGE_MS = 600_000;
/** So often what is left of an allowance is gone for after a batch that it did not cover. */
const PART_ROUNDS = 3;

/** One settlement that somebody waits for. */
interface Asked {
  /** Null: everybody's debts. */
  readonly payers: readonly Address[] | null;
  isPatient: boolean;
  /** How many rounds for parts have led to it. */
  readonly parts: number;
  /** What ends with its batches; whether each landed well. */
  readonly landings: Promise<boolean>[];
  /** It had no room, and went behind what was asked for since. */
  isPutBack: boolean;
  /** What was asked for earlier has ended: debts that were on their way then are settled. */
  readonly earlier: Promise<void>;
  readonly done: PromiseWithResolvers<void>;
}

/** What of a payer's allowance bears on its permits. */
interface PayerTerms extends Ends, Terms {
  /** Ms since the epoch. */
  readonly readAt: number;
}

export class Settlement {
  readonly #options: SettlementOptions;
  readonly #outcomes: Outcomes;
  readonly #revival: Revival;
  readonly #flights: Flights;
  readonly #sender: BatchSender;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #asks: Asked[] = [];
  readonly #terms = new Map<Address, PayerTerms>();
  /** Resolves when all that was asked for so far has ended. */
  #last = Promise.resolve();
  /** Resolves when something is asked for. */
  #asked = Promise.withResolvers<void>();
  #isRunning = false;
  /** Resolves when no round goes on. */
  #running = Promise.resolve();
  /** Another process settles. */
  readonly #retired = Promise.withResolvers<void>();
  #isRetired = false;
  #quietUntil = -Infinity;
  /** Wei for a unit of gas, at the last round. */
  #gasPrice = 0n;
  /** Of the last round of all debts. */
  #waiting = { lanes: 0, amount: 0n };
  #behindSeconds = 0;

  constructor(options: SettlementOptions) {
    this.#options = options;
    this.#outcomes = new Outcomes(options);
    this.#revival = new Revival({ ...options, simulate: (rows) => this.#simulate(rows) });
    this.#flights = new Flights(options.now);
    this.#sender = new BatchSender({
      ...options,
      flights: this.#flights,
      outcomes: this.#outcomes,
      putOff: (error) => this.#putOff(error),
      beQuiet: () => this.#beQuiet(),
    });
    this.#timer = setInterval(() => this.settleDue(), options.intervalMs);
  }

  /** A run was charged: settles when enough is due that is not on its way, or not worth it. */
  noticeCharge(): void {
    const { ledger, amount, now } = this.#options;
    if (this.#isRunning || now() < this.#quietUntil) return;
    const fresh = ledger.totals().unsettled - this.#flights.amount() - this.#waiting.amount;
    if (fresh >= amount) this.#ask(null, true);
  }

  /** A round: settles what is due and worth its gas. Resolves as `settleNow`. */
  async settleDue(): Promise<void> {
    await this.#ask(null, true);
  }

  /**
   * Settles all that is due now and brings more than it costs; resolves when it is mined, as what
   * was on its way already, or put off by an unreachable chain.
   */
  async settleNow(): Promise<void> {
    await Promise.race([this.#ask(null, false), this.#retired.promise]);
  }

  /** The payer has given notice: what it owes is settled, and nobody else's debts. */
  async settlePayer(payer: Address): Promise<void> {
    this.#terms.delete(payer);
    const queued = this.#asks.find(({ payers }) => payers?.length === 1 && payers[0] === payer);
    await (queued?.done.promise ?? this.#ask([payer], true));
  }

  /** The payer allows more: in the background, what that cures is due again. */
  revive(payer: Address): void {
    this.#outcomes.forgetParts(payer);
    this.#revival.revive(payer);
  }

  /** Resolves when all that allow more have been looked at. */
  async revived(): Promise<void> {
    await this.#revival.idle();
  }

  /** The lanes' counters are what the escrow says; refusals are forgotten. */
  async level(lanes: readonly LaneId[]): Promise<void> {
    await level(this.#options, this.#options.ledger, lanes);
  }

  /** How long a permit must still be good, so that a credit of it is settled in time, seconds. */
  windowSeconds(): bigint {
    return BigInt(this.#options.windowSeconds + 2 * this.#backlogSeconds(0));
  }

  /** As `backlogOf`. */
  backlog(lanes: number): number | null {
    const { windowSeconds: mostSeconds } = this.#options;
    return backlogOf({ mostSeconds, rowSeconds: this.#backlogSeconds(1) }, lanes);
  }

  /** For nodes that do not settle. */
  pace(): SettlingPace {
    return {
      windowSeconds: this.windowSeconds(),
      mostSeconds: this.#options.windowSeconds,
      rowSeconds: this.#backlogSeconds(1),
      rowWorth: this.rowWorth(),
    };
  }

  /** What a row costs as gas was priced last, USDC base units. */
  rowWorth(): bigint {
    const { capacity, coinPrice } = this.#options;
    return costOf(capacity.rowGas(), this.#gasPrice, coinPrice);
  }

  /** How long what is due waits beyond its turn, seconds. */
  behindSeconds(): number {
    return this.#behindSeconds;
  }

  /** What a person must look at, in plain words. */
  alarms(): readonly string[] {
    if (this.#behindSeconds <= this.#options.windowSeconds) return [];
    return [`settlement is ${Math.round(this.#behindSeconds)} s behind`];
  }

  /** Settles a last time, then stops; a chain that takes too long is left to the next start. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const last = this.settleNow().then(() => this.revived());
    await within(last, this.#options.closeWaitMs ?? CLOSE_WAIT_MS);
  }

  /** Another process settles from now on: nothing more goes out from here when it resolves. */
  async retire(): Promise<void> {
    clearInterval(this.#timer);
    this.#isRetired = true;
    this.#retired.resolve();
    this.#wake();
    await this.#running;
  }

  /** How long `more` rows beside those that are due take to be mined, seconds. */
  #backlogSeconds(more: number): number {
    const { ledger, capacity } = this.#options;
    const rows = Math.max(0, ledger.totals().dueLanes - this.#waiting.lanes) + more;
    return rows === 0 ? 0 : capacity.secondsFor(rows);
  }

  #ask(payers: readonly Address[] | null, isPatient: boolean, parts = 0): Promise<void> {
    // Who asks for everything while that is asked for already gets that.
    const same = payers === null && this.#asks.find((asked) => asked.payers === null);
    if (same) {
      // What waits for room looks at the time anew: what could wait may not any more.
      Object.assign(same, { isPatient: same.isPatient && isPatient, isPutBack: false });
      this.#wake();
      return same.done.promise;
    }
    const done = Promise.withResolvers<void>();
    // A round for parts ends before the one that led to it.
    const earlier = parts === 0 ? this.#last : Promise.resolve();
    if (parts === 0) this.#last = done.promise;
    this.#asks.push({ payers, isPatient, parts, landings: [], isPutBack: false, earlier, done });
    this.#wake();
    if (!this.#isRunning) this.#running = this.#run();
    return done.promise;
  }

  #wake(): void {
    this.#asked.resolve();
    this.#asked = Promise.withResolvers();
  }

  /** Rounds one after the other; a round is over when its last batch is out. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    const { begins } = this.#options;
    if (begins) await Promise.race([begins, this.#retired.promise]);
    for (let asked; !this.#isRetired && (asked = this.#asks.shift()) !== undefined;) {
      const isOver = await this.#round(asked).catch((error) => !this.#putOff(error));
      if (isOver) this.#end(asked);
      else this.#asks.push(Object.assign(asked, { isPutBack: true }));
    }
    this.#isRunning = false;
  }

  /** Once all of a round's batches have landed well, what is left of allowances is gone for. */
  async #end({ parts, isPatient, landings, earlier, done }: Asked): Promise<void> {
    const isWell = landings.length > 0 && (await Promise.all(landings)).every(Boolean);
    const payers = isWell && parts < PART_ROUNDS ? this.#outcomes.partPayers() : [];
    if (payers.length > 0) await this.#ask(payers, isPatient, parts + 1);
    await earlier;
    done.resolve();
  }

  /** @returns whether it is over; else what is left is taken up after what was asked meanwhile */
  async #round({ payers, isPatient, parts, landings }: Asked): Promise<boolean> {
    const { watch } = this.#options;
    if (parts === 0) this.#outcomes.forgetOldParts();
    const due = await this.#due(payers);
    // Also with nothing due: who was served nothing owes nothing, and its limits may have risen.
    await watch.look();
    const round = await this.#openRound(due, isPatient);
    if (payers === null) {
      this.#waiting = round.waiting;
      this.#behindSeconds = round.behindSeconds;
    }
    while (!round.isOver && !this.#isRetired) {
      if (!await this.#hasRoom(round)) return false;
      const batch = await round.next((turn, canWait) => this.#rowsOf(turn, canWait));
      if (!batch) return true;
      const sent = await this.#sender.send(batch, round.terms);
      if (sent) landings.push(sent.landed);
      // The rest is for another day.
      if (sent?.isCut) return true;
    }
    return true;
  }

  /** Waits for room; not while something is asked for that may be more urgent. */
  async #hasRoom(round: Round): Promise<boolean> {
    while (!this.#flights.hasRoom(round.canWait)) {
      if (this.#isRetired || this.#asks.some(({ isPutBack }) => !isPutBack)) return false;
      await Promise.race([this.#flights.landing(), this.#asked.promise]);
    }
    return true;
  }

  /** What is due and not on its way. */
  async #due(payers: readonly Address[] | null): Promise<readonly DueLane[]> {
    const { ledger } = this.#options;
    const due = payers === null
      ? await ledger.due()
      : (await Promise.all(payers.map((payer) => ledger.dueOf(payer)))).flat();
    return await this.#flights.rests(due);
  }

  async #openRound(due: readonly DueLane[], isPatient: boolean): Promise<Round> {
    const { operator, capacity, coinPrice, intervalMs } = this.#options;
    const now = this.#options.now() / 1_000;
    // Who is told that its rows are not worth their gas owes nothing by which one would notice.
    const isPriced = coinPrice !== 0n && (due.length > 0 || this.#gasPrice > 0n);
    const [gasPrice, chainNow] = await Promise.all([
      isPriced ? operator.gasPrice() : 0n,
      due.length > 0 ? this.#lookAtChain() : now,
    ]);
    this.#gasPrice = gasPrice;
    await this.#readTerms(due);
    return await Round.open(due, this.#terms, {
      now: Math.max(now, chainNow),
      gasPrice,
      coinPrice,
      intervalSeconds: intervalMs / 1_000,
      windowSeconds: Number(this.windowSeconds()),
      rowGas: capacity.rowGas(),
      batchGas: BATCH_GAS,
      batchRows: capacity.batchRows(),
      isPatient,
    });
  }

  /** What a block takes and how fast they come. @returns the chain's time, Unix seconds */
  async #lookAtChain(): Promise<number> {
    const { chain, capacity } = this.#options;
    const block = await chain.public.getBlock().catch((error) => {
      throw asChainError(error, chain.endpoint);
    });
    capacity.noteBlock(block);
    return Number(block.timestamp);
  }

  /** What the debtors have given notice of, and who signs for them. */
  async #readTerms(due: readonly DueLane[]): Promise<void> {
    const readAt = this.#options.now();
    const unknown = new Set<Address>();
    await inSlices(due, ({ payer }) => {
      const known = this.#terms.get(payer);
      if (!known || readAt - known.readAt > TERMS_AGE_MS) unknown.add(payer);
    });
    const read = await readAllowances(this.#options, [...unknown]);
    await inSlices([...read], ([payer, { epoch, epochEnd, thawEnd, signer }]) => {
      this.#terms.set(payer, { epoch, epochEnd, thawEnd, signer, readAt });
    });
  }

  async #rowsOf({ due }: Turn, debtCanWait: boolean): Promise<readonly Row[]> {
    const lane = await this.#options.ledger.lane(due);
    if (!lane || lane.refused !== null) return [];
    // A row is cumulative: this one goes on where those on their way end.
    const settled = this.#flights.upTo(due, debtCanWait) ?? lane.settled;
    const from = { ...lane, settled: settled > lane.settled ? settled : lane.settled };
    const rows = rowsOf(from, this.#terms.get(lane.payer) ?? null, this.#outcomes.upTo(lane));
    return rows.map((row) => ({ ...row, lane }));
  }

  #putOff(error: unknown): false {
    this.#beQuiet();
    this.#options.log.warn("settlement put off", { error });
    return false;
  }

  #beQuiet(): void {
    this.#quietUntil = this.#options.now() + QUIET_MS;
  }

  async #simulate(rows: readonly Row[]): Promise<bigint> {
    const { chain, escrow, operator } = this.#options;
    const data = encodeCharges(rows.map(({ charge }) => charge));
    const call = { account: operator.address, to: escrow, data };
    return BigInt((await chain.public.call(call)).data ?? 0n);
  }
}

/**
 * What the escrow says of payers. A payer is read once; from then on the escrow's events keep the
 * view as it would be read now, for as long as the chain is followed. An event above the block that
 * the finality policy trusts may lower what is served, and raises nothing yet.
 */
import type { Address, Hex } from "viem";
import { KhachapuriError } from "../../errors.ts";
import { PAYER_READS_WAITING_MAX, PAYER_VIEWS_MAX, STRANGER_VIEWS_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { Lru } from "../../lru.ts";
import type { PayerView } from "../ledger/judge.ts";
import { RecentEvents } from "./recent_events.ts";
import { advance, isSameView, lower, type PayerEvent, withCounters } from "./payer_events.ts";
import { type Asker, type Bucket, type Occasion, ReadLimits } from "./read_limits.ts";
import { Rounds } from "./rounds.ts";
import {
  chainUnavailable,
  type LaneName,
  ViewReader,
  type ViewReaderOptions,
} from "./view_reader.ts";

/** How far the chain is followed. */
export interface Followed {
  /** The newest block of which all events were heard. */
  readonly head: bigint;
  /** The newest block that the finality policy trusts. */
  readonly trusted: bigint;
}

export interface PayersOptions extends Omit<ViewReaderOptions, "now"> {
  log: Log;
  /** Whether what the endpoint says is so old that reading it is worth nothing. */
  isStandingStill?: () => boolean;
  now?: () => number;
}

/** Who asks for a view. */
export type Caller = Pick<Asker, "isProven" | "from">;

/** Whoever proved to be the payer, from nowhere in particular. */
const PROVEN: Caller = { isProven: true, from: undefined };

interface Known {
  readonly payer: Address;
  /** What was read; others that waited for it got the same. */
  readonly read: PayerView;
  /** As of its block; nothing about the payer happened between that and the trusted one. */
  base: PayerView;
  /** The same, lowered by what happened since. */
  view: PayerView;
  /** Something has happened that it does not tell: it is for when the chain is out of reach. */
  isOutdated: boolean;
  /** When it was asked for last, ms. */
  usedAt: number;
}

/** One reading; what happens to the payer meanwhile may make it worthless. */
interface Reading {
  readonly answer: Promise<PayerView>;
  isStale: boolean;
}

/** Rounds of reading at once, and payers of one. */
const PAYER_ROUNDS = { rounds: 2, questions: 250 };
/** Whoever is read for the first time waits for others like it: strangers cost one round. */
const STRANGER_ROUNDS = { rounds: 1, questions: 250 };
/** A payer with calls is read again this long after, ms: a second belt. */
const CHECK_AFTER_MS = 600_000;
/** Between two looks for payers to check, ms, and how many are checked at once. */
const CHECK_PAUSE_MS = 5_000;
const CHECK_PAYERS = 500;

export class Payers {
  readonly #options: PayersOptions;
  readonly #now: () => number;
  readonly #reader: ViewReader;
  readonly #limits: ReadLimits;
  readonly #known = new Lru<Address, Known>(PAYER_VIEWS_MAX);
  /** Of payers that had no call here. */
  readonly #strangers = new Lru<Address, Known>(STRANGER_VIEWS_MAX);
  readonly #recent = new RecentEvents();
  readonly #reading = new Map<string, Reading>();
  readonly #payersRounds: Rounds<LaneName, PayerView>;
  readonly #strangersRounds: Rounds<LaneName, PayerView>;
  readonly #counterRounds: Rounds<LaneName & { block: bigint }, bigint>;
  #followed: Followed | null = null;
  #checkedAt = -Infinity;
  #checking: Promise<void> | null = null;
  /** Times that blocks were undone. */
  #undone = 0;
  readonly #figures = { read: 0, advanced: 0 };

  constructor(options: PayersOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#reader = new ViewReader({ ...options, now: this.#now });
    this.#limits = new ReadLimits(this.#now);
    const newest = (asked: readonly LaneName[]) => this.#reader.newest(asked);
    this.#payersRounds = new Rounds(PAYER_ROUNDS, newest);
    this.#strangersRounds = new Rounds(STRANGER_ROUNDS, newest);
    this.#counterRounds = new Rounds(PAYER_ROUNDS, (asked) => this.#readCounters(asked));
  }

  /**
   * A view no older than `maxAgeMs` that covers `lane`. While the chain is followed the age is
   * `Infinity`: what nothing happened to is as of now.
   * @throws KhachapuriError `chain_unavailable`; `rate_limited` and `overloaded` as `ReadLimits`
   */
  async view(
    payer: Address,
    lane: Hex,
    maxAgeMs: number,
    caller: Caller = PROVEN,
  ): Promise<PayerView> {
    const known = this.#find(payer);
    if (!known || !this.#isGood(known, maxAgeMs)) {
      return await this.#read({ payer, lane }, caller, "view");
    }
    known.usedAt = this.#now();
    if (this.#covers(known, lane)) return known.view;
    return await this.#read({ payer, lane }, caller, "lane", maxAgeMs === Infinity);
  }

  /**
   * A view of just now, before somebody is told no.
   * @param maxAgeMs what is as young is taken
   * @throws KhachapuriError as `view`
   */
  async viewAgain(
    payer: Address,
    lane: Hex,
    maxAgeMs: number,
    caller: Caller,
  ): Promise<PayerView> {
    const known = this.#find(payer);
    if (known && this.#isGood(known, maxAgeMs) && this.#covers(known, lane)) return known.view;
    return await this.#read({ payer, lane }, caller, "second_look");
  }

  /** The newest view there is, however old; for when the chain is out of reach. */
  last(payer: Address): PayerView | undefined {
    return this.#find(payer)?.view;
  }

  /** The newest view of a payer where it is no older than `maxAgeMs`, whatever lanes it covers. */
  current(payer: Address, maxAgeMs: number): PayerView | undefined {
    const known = this.#find(payer);
    return known && this.#isGood(known, maxAgeMs) ? known.view : undefined;
  }

  /** Whether `view` is the newest one of a payer, no older than `maxAgeMs` and not outdated. */
  isCurrent(payer: Address, view: PayerView, maxAgeMs: number): boolean {
    return this.current(payer, maxAgeMs) === view;
  }

  /** The next view of `payer` is read anew, or that of everybody. */
  forget(payer?: Address): void {
    for (const known of payer ? [this.#find(payer)] : this.#all()) {
      if (known) known.isOutdated = true;
    }
    for (const [key, reading] of this.#reading) {
      if (payer && !key.startsWith(payer)) continue;
      reading.isStale = true;
      this.#reading.delete(key);
    }
  }

  /** The chain went on: views are advanced by what it brought, up to the block that is trusted. */
  hear(events: readonly PayerEvent[], followed: Followed): void {
    const before = this.#followed;
    this.#followed = followed;
    if (before === null) this.#beginAt(followed.head);
    for (const event of events) {
      // What came after it was taken in without it.
      const isLate = before !== null && event.block <= before.head;
      if (isLate || this.#isAheadOf(event)) this.forget(event.payer);
    }
    const touched = this.#recent.add(events, followed);
    for (const payer of touched) {
      const known = this.#find(payer);
      if (!known || known.isOutdated) continue;
      this.#follow(known);
      this.#figures.advanced += 1;
    }
  }

  /** Blocks above `block` are not what they were: what rests on one of them is read anew. */
  undo(block: bigint): void {
    this.#undone += 1;
    const touched = this.#recent.undo(block);
    if (this.#followed !== null && this.#followed.head > block) {
      const { trusted } = this.#followed;
      this.#followed = { head: block, trusted: trusted < block ? trusted : block };
    }
    for (const known of this.#all()) {
      if (known.base.block > block) known.isOutdated = true;
      else if (touched.has(known.payer)) this.#follow(known);
    }
    for (const reading of this.#reading.values()) reading.isStale = true;
    this.#reading.clear();
  }

  /**
   * Reads some of the payers with calls again that were not read for long. What differs from what
   * events made of them is an error of somebody's, and what is read wins.
   */
  async check(): Promise<void> {
    const now = this.#now();
    if (this.#checking || now - this.#checkedAt < CHECK_PAUSE_MS) return;
    this.#checkedAt = now;
    const due = [...this.#known.keys()].map((payer) => this.#known.peek(payer)!)
      .filter(({ isOutdated, base: { at }, usedAt }) =>
        !isOutdated && usedAt > at && now - at >= CHECK_AFTER_MS
      ).slice(0, CHECK_PAYERS);
    if (due.length === 0 || this.#followed === null) return;
    this.#checking = this.#check(due, this.#followed.trusted)
      .catch((error) => this.#options.log.debug("payers not checked", { error: String(error) }))
      .finally(() => this.#checking = null);
    await this.#checking;
  }

  /** For `/metrics`: views read and advanced, and reads that were refused, by whose limit. */
  figures(): { read: number; advanced: number; refused: ReadonlyMap<Bucket, number> } {
    return { ...this.#figures, refused: this.#limits.refused() };
  }

  #find(payer: Address): Known | undefined {
    const known = this.#known.get(payer) ?? this.#strangers.get(payer);
    if (known && this.#known.peek(payer) !== known) this.#keep(known);
    return known;
  }

  /** Among the payers from its first call on. */
  #keep(known: Known): void {
    const { payer } = known;
    const isKnown = this.#options.ledger.knows(payer);
    (isKnown ? this.#known : this.#strangers).set(payer, known);
    (isKnown ? this.#strangers : this.#known).delete(payer);
  }

  *#all(): Iterable<Known> {
    for (const views of [this.#known, this.#strangers]) {
      for (const payer of views.keys()) yield views.peek(payer)!;
    }
  }

  /**
   * Whether a view was read of a block whose charges nobody had heard of: the ledger may have taken
   * a lane for level that was not.
   */
  #isAheadOf({ event, payer, block }: PayerEvent): boolean {
    const known = event === "charged" ? this.#find(payer) : undefined;
    return known !== undefined && known.base.block >= block;
  }

  #isGood({ view, isOutdated }: Known, maxAgeMs: number): boolean {
    return !isOutdated && this.#now() - view.at <= maxAgeMs;
  }

  /** Whether the lane's counter is known: by the view, or by the ledger. */
  #covers({ payer, view }: Known, lane: Hex): boolean {
    return view.settled.has(lane) || this.#options.ledger.knows(payer, lane);
  }

  async #read(
    asked: LaneName,
    caller: Caller,
    occasion: Occasion,
    isFollowed = false,
  ): Promise<PayerView> {
    const { payer, lane } = asked;
    const key = `${payer}:${lane}`;
    const underWay = this.#reading.get(key);
    if (underWay) return await underWay.answer;
    if (this.#options.isStandingStill?.()) throw chainUnavailable();
    const isKnown = this.#options.ledger.knows(payer);
    this.#limits.admit({ payer, isKnown, ...caller }, occasion);
    const rounds = isKnown ? this.#payersRounds : this.#strangersRounds;
    if (rounds.waiting() >= PAYER_READS_WAITING_MAX) throw tooManyReads();
    const known = this.#find(payer);
    const read = isFollowed && known ? this.#withLane(known, lane) : rounds.ask(asked);
    const reading: Reading = {
      isStale: false,
      answer: read.then((view) => this.#take(payer, view, reading.isStale)).finally(() => {
        if (this.#reading.get(key) === reading) this.#reading.delete(key);
      }),
    };
    this.#reading.set(key, reading);
    return await reading.answer;
  }

  /** The view with one more counter, as of the newest block that it holds for. */
  async #withLane({ payer, base }: Known, lane: Hex): Promise<PayerView> {
    const trusted = this.#followed?.trusted ?? base.block;
    const block = base.block > trusted ? base.block : trusted;
    const counter = await this.#counterRounds.ask({ payer, lane, block });
    return { ...base, block, settled: new Map([...base.settled, [lane, counter]]) };
  }

  async #readCounters(asked: readonly (LaneName & { block: bigint })[]): Promise<bigint[]> {
    const counters = new Map<LaneName, bigint>();
    for (const block of new Set(asked.map((each) => each.block))) {
      const lanes = asked.filter((each) => each.block === block);
      const read = await this.#reader.counters(lanes, block);
      for (const [index, each] of lanes.entries()) counters.set(each, read[index]!);
    }
    return asked.map((each) => counters.get(each)!);
  }

  /** What was read, brought up to what was heard meanwhile. */
  #take(payer: Address, read: PayerView, isStale: boolean): PayerView {
    const before = this.#find(payer);
    const isGood = before !== undefined && !before.isOutdated;
    if (isGood && before.read === read) return before.view;
    // Calls on the payer's other lanes have their counters from there.
    const base = isGood ? this.#withLanesOf(before, read) : read;
    const isOutdated = isStale || !this.#recent.reaches(read.block);
    const known: Known = { payer, read, base, view: base, isOutdated, usedAt: this.#now() };
    this.#follow(known);
    this.#figures.read += 1;
    this.#keep(known);
    return known.view;
  }

  #withLanesOf({ payer, base: { settled } }: Known, read: PayerView): PayerView {
    const isMissing = ([lane]: [Hex, bigint]) =>
      !read.settled.has(lane) && !this.#options.ledger.knows(payer, lane);
    const missing = [...settled].filter(isMissing);
    return missing.length === 0
      ? read
      : { ...read, settled: new Map([...missing, ...read.settled]) };
  }

  /** Brings a view up to the trusted block, and lowers it by what was heard above. */
  #follow(known: Known): void {
    const { payer } = known;
    const isOpened = (lane: Hex) => this.#options.ledger.knows(payer, lane);
    const trusted = this.#followed?.trusted ?? known.base.block;
    const isIn = ({ block }: PayerEvent) => block <= known.base.block;
    const [included, news] = partition(this.#recent.of(payer, -1n), isIn);
    known.base = withCounters(known.base, included);
    const fold = (view: PayerView, events: readonly PayerEvent[]) =>
      events.reduce((each, event) => advance(each, event, isOpened), view);
    const [ripe, later] = partition(news, ({ block }) => block <= trusted);
    known.base = fold(known.base, ripe);
    known.view = later.length === 0 ? known.base : lower(known.base, fold(known.base, later));
  }

  /** What was read of earlier blocks has not been followed. */
  #beginAt(head: bigint): void {
    this.#recent.beginAt(head);
    for (const known of this.#all()) if (known.base.block < head) known.isOutdated = true;
  }

  async #check(due: readonly Known[], block: bigint): Promise<void> {
    const before = due.map(({ base }) => base);
    const undone = this.#undone;
    const asked = due.map(({ payer, base }) => ({ payer, lane: laneIn(base) }));
    const read = await this.#reader.asOf(asked, block);
    // What was read may be of another fork than what it is compared with.
    if (undone !== this.#undone) return;
    const time = BigInt(Math.floor(this.#now() / 1_000));
    for (const [index, known] of due.entries()) {
      const [advanced, view] = [before[index]!, read[index]!];
      if (known.isOutdated) continue;
      if (advanced.block <= block && !isSameView(advanced, view, time)) {
        const { payer } = known;
        this.#options.log.error("what events say of a payer is not what the chain says", { payer });
      }
      const { usedAt } = known;
      this.#take(known.payer, view, false);
      this.#find(known.payer)!.usedAt = usedAt;
    }
  }
}

/** Any lane: all that are not level are read. */
function laneIn({ settled }: PayerView): Hex {
  return settled.keys().next().value ?? `0x${"00".repeat(32)}`;
}

/** Those for which it holds, and the others. */
function partition<T>(all: readonly T[], holds: (one: T) => boolean): [T[], T[]] {
  return [all.filter(holds), all.filter((one) => !holds(one))];
}

function tooManyReads(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many payers are being looked up", {
    retryAfterSeconds: 1,
    hints: ["nothing was charged; try again"],
  });
}

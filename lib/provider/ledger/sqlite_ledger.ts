/**
 * The ledger of one process: the book in memory, its journal in SQLite. Judging, holding and
 * charging happen between two awaits, so the book never changes under a decision.
 */
import type { Address, Hex } from "viem";
import type { Permit } from "../../permit.ts";
import type { Until } from "./group_commit.ts";
import {
  type Draw,
  isKept,
  judge,
  type Judgement,
  ownPermit,
  type PayerView,
  type Position,
  roomFor,
  settledBefore,
  type Settling,
  type Source,
  usedOn,
} from "./judge.ts";
import {
  type Account,
  accountOf,
  type Entry,
  type Lane,
  type LaneId,
  laneOf,
  type Outcome,
  outstandingOf,
  permitsWith,
  type ReserveEntry,
} from "./journal.ts";
import { lanesToRead } from "./book.ts";
import { dueLane } from "./due_lane.ts";
import type {
  Basis,
  ChainFact,
  DueLane,
  Held,
  LaneFigures,
  LaneState,
  Ledger,
  RunFacts,
  Standing,
  Totals,
} from "./ledger.ts";
import type { OperatorLimits } from "./operator_room.ts";
import { type Pool, PreholdBook } from "./prehold.ts";
import { inSlices } from "../../slices.ts";
import { standingOf, stateOf } from "./told_lane.ts";
import {
  type LeftStore,
  openStore,
  type ReceiptedCharge,
  type Store,
  type Upkeep,
} from "./store.ts";

export interface SqliteLedgerOptions {
  path: string;
  /** The clock, ms since the epoch. */
  now: () => number;
  /** A permit must outlive a call by this long, so that it can still be settled, seconds. */
  settleWindowSeconds: () => bigint;
  /** Notice that a payer gives before credits or permits leave, seconds. */
  thawingPeriodSeconds: bigint;
  /** What the operator may settle; null when that is whatever there is. */
  operatorLimits: () => OperatorLimits | null;
  /**
   * Seconds after which to come again while settlement has no room for a further row; null while
   * it has, which it always has where nothing is said.
   */
  backlog?: (lanes: number) => number | null;
  /** Whatever a block up to this one told stays as it is; none is so old where nothing is said. */
  finalBlock?: () => bigint;
  /** What a row of a batch must be worth, USDC base units; nothing where nothing is said. */
  rowWorth?: () => bigint;
  /** How its journal is kept once it is long. */
  upkeep?: Upkeep;
}

/**
 * Opens (or creates) the ledger and releases what a crash left held.
 * @param left how the one before left it: by default nobody's runs go on
 * @throws Error when the file is damaged
 */
export async function openSqliteLedger(
  options: SqliteLedgerOptions,
  left?: LeftStore,
): Promise<SqliteLedger> {
  const { path, now, finalBlock, upkeep } = options;
  const keeping = { ...finalBlock === undefined ? {} : { finalBlock }, ...upkeep };
  return new SqliteLedger(await openStore(path, now, left, keeping), options);
}

export class SqliteLedger implements Ledger {
  readonly #preholds: PreholdBook;
  readonly #position: Position;

  constructor(readonly store: Store, private readonly options: Omit<SqliteLedgerOptions, "path">) {
    this.#preholds = new PreholdBook(store);
    this.#position = { book: store.book, preholds: this.#preholds };
  }

  judge(draw: Draw, view: PayerView, source: Source): Promise<Judgement> {
    return Promise.resolve(this.#judge(draw, view, source));
  }

  hold(
    draw: Draw,
    view: PayerView,
    source: Source,
    isPooled = source === "allowance",
  ): Promise<Held | Extract<Judgement, { payable: false }>> {
    const judgement = this.#judge(draw, view, source);
    if (!judgement.payable) return this.#refuse(draw, view, judgement);
    const taken = isPooled ? this.#takePrehold(draw, view) : null;
    const { reservation, written } = taken ?? this.#reserve(draw, view, source);
    const held: Held = { payable: true, reservation, draw, isPooled };
    return written === null ? Promise.resolve(held) : written.then(() => held);
  }

  async charge(held: Held, outcome: Outcome, run: RunFacts | null, until?: Until): Promise<void> {
    const { reservation, draw } = held;
    const { payer, lane, cid, price } = draw;
    const charged = this.#laneOf(draw).charged + 1n;
    const facts = run === null ? {} : { facts: { ...run, cid, price, charged } };
    const pool = held.isPooled ? this.#preholds.poolOf(draw) : null;
    const preheld = pool === null ? [] : this.#prehold(draw, pool);
    const written = this.store.write(
      [{ kind: "charge", payer, lane, reservation, outcome, ...facts }, ...preheld],
      until ?? (run === null ? "handed over" : "disk"),
    );
    for (const next of preheld) pool?.add(price, next.reservation);
    await written;
  }

  release({ reservation, draw: { payer, lane } }: Held, reason: string): void {
    const entry = { kind: "release", payer, lane, reservation, reason } as const;
    // A ledger that cannot be written refuses the next call; the next start releases this one.
    this.store.write([entry], "handed over").catch(() => {});
  }

  standing(draw: Draw, view: PayerView): Promise<Standing> {
    return Promise.resolve(standingOf(draw, view, this.#position));
  }

  used(lane: LaneId, view: PayerView): Promise<bigint> {
    return Promise.resolve(usedOn(lane, view, this.#position));
  }

  async usedUp({ payer, lane }: LaneId): Promise<Permit | null> {
    const permit = laneOf(this.store.book, payer, lane)?.usedUp.best ?? null;
    // A charge that is lost with the machine's power would free its credit.
    if (permit) await this.store.sync();
    return permit;
  }

  unsettled(payer: Address): bigint {
    const account = accountOf(this.store.book, payer);
    return account ? outstandingOf(account) - this.#preholds.ofPayer(payer) : 0n;
  }

  knows(payer: Address, lane?: Hex): boolean {
    const { book } = this.store;
    if (lane === undefined) return accountOf(book, payer) !== undefined;
    return laneOf(book, payer, lane) !== undefined;
  }

  basis(payer: Address, lane: Hex, block: bigint): Promise<Basis> {
    // It may have to come back first, and its account with it.
    const asked = laneOf(this.store.book, payer, lane);
    const account = accountOf(this.store.book, payer);
    const settledHere = account ? account.settled - account.opened : 0n;
    const lanes = lanesToRead(account, [lane, asked?.settled ?? null], block);
    return Promise.resolve({ lanes, settledHere });
  }

  due(): Promise<DueLane[]> {
    return this.#dueAmong([...this.store.book.due]);
  }

  dueOf(payer: Address): Promise<DueLane[]> {
    return this.#dueAmong([...this.store.book.accounts.get(payer)?.uneven ?? []]);
  }

  lane({ payer, lane }: LaneId): Promise<LaneState | undefined> {
    const found = laneOf(this.store.book, payer, lane);
    return Promise.resolve(found && stateOf(found));
  }

  async unsure(block: bigint): Promise<LaneState[]> {
    return await this.#gather(({ uneven, settledLately }) => {
      const lanes = new Set(settledLately?.above(block));
      for (const lane of uneven) if (lane.refused !== null) lanes.add(lane);
      return lanes;
    });
  }

  async settledAbove(block: bigint): Promise<LaneState[]> {
    return await this.#gather(({ settledLately }) => settledLately?.above(block) ?? []);
  }

  refused(payer: Address): Promise<LaneState[]> {
    const lanes = this.store.book.accounts.get(payer)?.uneven ?? [];
    return Promise.resolve([...lanes].filter(({ refused }) => refused !== null).map(stateOf));
  }

  async record(facts: readonly ChainFact[]): Promise<void> {
    const writes: Promise<void>[] = [];
    for (const fact of facts) {
      const entry = this.#entryOf(fact);
      if (!entry) continue;
      const isPrepaid = entry.kind === "settle" && entry.settled > this.#laneOf(entry).charged;
      if (isPrepaid) this.#preholds.giveBack(entry.payer);
      writes.push(this.store.write([entry], "disk"));
    }
    await Promise.all(writes);
  }

  async receipted(reservation: number): Promise<ReceiptedCharge | undefined> {
    const charge = this.store.receipted(reservation);
    if (charge) await this.store.sync();
    return charge;
  }

  totals(): Totals {
    const { unsettledAmount: unsettled, heldAmount: held, due } = this.store.book;
    return { unsettled, held, preheld: this.#preholds.amount(), dueLanes: due.size };
  }

  figures(): Promise<LaneFigures> {
    const { outstandingLanes: outstanding, refusedLanes: refused, refusedAmount } = this.store.book;
    return Promise.resolve({ outstanding, refused, refusedAmount });
  }

  stopHolding(): void {
    this.#preholds.close();
  }

  /** @param isLeft another process goes on with the books */
  async close(isLeft = false): Promise<void> {
    this.#preholds.close();
    await this.store.close(isLeft);
  }

  #judge(draw: Draw, view: PayerView, source: Source): Judgement {
    return judge(draw, view, this.#position, this.#settling(), source);
  }

  #settling(): Settling {
    const { now, settleWindowSeconds, thawingPeriodSeconds, operatorLimits } = this.options;
    const { backlog = () => null, rowWorth = () => 0n } = this.options;
    return {
      now: BigInt(Math.floor(now() / 1000)),
      settleWindow: settleWindowSeconds(),
      thawingPeriod: thawingPeriodSeconds,
      operator: operatorLimits(),
      backlog,
      rowWorth: rowWorth(),
    };
  }

  /** A lane on which the escrow has to take a credit first is opened, so that it is heard of. */
  #refuse(
    draw: Draw,
    view: PayerView,
    judgement: Extract<Judgement, { payable: false }>,
  ): Promise<Extract<Judgement, { payable: false }>> {
    const isFirst = !this.knows(draw.payer, draw.lane);
    if (judgement.refusal.reason !== "not_taken" || !isFirst) return Promise.resolve(judgement);
    return this.store.write([openEntry(draw, view)], "disk").then(() => judgement);
  }

  #takePrehold(draw: Draw, view: PayerView): Reserved | null {
    const pool = this.#preholds.poolOf(draw);
    const prehold = pool.take(draw.price, view);
    if (!prehold) return null;
    if (pool.isRunningShort()) this.store.sync().catch(() => {});
    const { reservation, mark } = prehold;
    return { reservation, written: this.store.isOnDisk(mark) ? null : this.store.sync() };
  }

  #reserve(draw: Draw, view: PayerView, source: Source): Reserved {
    const entry = this.#reserveEntry(draw);
    const before = this.#entriesBefore(draw, view, source);
    return {
      reservation: entry.reservation,
      written: this.store.write([...before, entry], "disk"),
    };
  }

  /** What the book has to know before it can hold a credit of the draw's lane. */
  #entriesBefore(draw: Draw, view: PayerView, source: Source): Entry[] {
    const { payer, lane: id, permit } = draw;
    const { book } = this.store;
    const lane = laneOf(book, payer, id);
    const own = ownPermit(draw, view, this.#position, this.#settling());
    // A prehold is first of all for a call that is here. And it is held by the lane's permits: when
    // another one comes to them, holding begins anew.
    const isShort = source === "allowance" &&
      (own === null || roomFor({ ...draw, permit: own }, view, book) <= 0n);
    if (isShort) this.#preholds.giveBack(payer);
    const added = { permit, signer: view.signer };
    const entry = { kind: "permit", payer, lane: id, ...added } as const;
    if (!lane) return [openEntry(draw, view), entry];
    // What the escrow took before its run needs no room among the lane's permits.
    const isAdded = own === null && permitsWith(lane, added) !== null;
    return isAdded ? [entry] : [];
  }

  /** Reservations for later calls like this one, where that pays and nothing is against it. */
  #prehold(draw: Draw, pool: Pool): ReserveEntry[] {
    const lane = this.#laneOf(draw);
    const isServed = lane.refused === null && isKept(lane, draw.permit);
    // A call on any lane of the payer may have what is held ahead; what is prepaid is this lane's.
    const isPrepaid = lane.settled > lane.charged + 1n;
    const wanted = isServed && !isPrepaid ? pool.wanted() : 0;
    const view = pool.lastView();
    if (wanted === 0 || view === null) return [];
    const room = roomFor(draw, view, this.store.book);
    const entries: ReserveEntry[] = [];
    while (entries.length < wanted && room > entries.length) entries.push(this.#reserveEntry(draw));
    return entries;
  }

  #reserveEntry({ payer, lane, cid, price }: Draw): ReserveEntry {
    const reservation = this.store.book.nextReservation++;
    return { kind: "reserve", payer, lane, reservation, cid, price };
  }

  #laneOf({ payer, lane }: LaneId): Lane {
    return laneOf(this.store.book, payer, lane)!;
  }

  /** Copies of some lanes of every account, gathered in slices. */
  async #gather(lanesOf: (account: Account) => Iterable<Lane>): Promise<LaneState[]> {
    const lanes: Lane[] = [];
    await inSlices([...this.store.book.accounts.values()], (account) => {
      lanes.push(...lanesOf(account));
    });
    const found: LaneState[] = [];
    await inSlices(lanes, (lane) => found.push(stateOf(lane)));
    return found;
  }

  async #dueAmong(lanes: readonly Lane[]): Promise<DueLane[]> {
    const found: DueLane[] = [];
    await inSlices(lanes, (lane) => {
      if (this.store.book.due.has(lane)) found.push(dueLane(lane));
    });
    return found;
  }

  /** The entry that writes a fact down; null when it changes nothing. */
  #entryOf(fact: ChainFact): Entry | null {
    const { payer, lane: id } = fact;
    const lane = laneOf(this.store.book, payer, id);
    if (!lane) return null;
    if (fact.fact === "refused") {
      const { reason, transaction } = fact;
      return { kind: "skip", payer, lane: id, charged: lane.charged, reason, transaction };
    }
    if (fact.fact === "settled" && lane.settled >= fact.settled) return null;
    const { settled, block } = fact;
    const transaction = fact.fact === "settled" ? fact.transaction : null;
    return { kind: "settle", payer, lane: id, settled, block, transaction };
  }
}

interface Reserved {
  readonly reservation: number;
  /** Resolves when it is on disk; null when it is. */
  readonly written: Promise<void> | null;
}

function openEntry(draw: Draw, view: PayerView): Entry {
  const { payer, lane } = draw;
  return { kind: "open", payer, lane, charged: settledBefore(draw, view) };
}

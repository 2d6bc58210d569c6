/** What passes on to the process that takes a provider's place, and what that one does with it. */
import type { IdempotencySeat } from "../call/idempotency_seat.ts";
import type { SqliteIdempotency } from "../call/sqlite_idempotency.ts";
import type { Records } from "../deployment/records.ts";
import { type Desk, type DeskParts, GuestDesk, type GuestHold } from "../handover/desk.ts";
import type { Payments } from "../settlement/payments.ts";

export interface EstateParts extends BesideBooks {
  payments: Pick<
    Payments,
    | "ledger"
    | "purchases"
    | "callPurchases"
    | "settler"
    | "sender"
    | "settlement"
    | "retire"
    | "handOver"
  >;
  records: Pick<Records, "runLog" | "stops">;
  answers: { own: SqliteIdempotency; seat: IdempotencySeat };
}

/** What is changed beside the books, until it is told to come to rest. */
export interface BesideBooks {
  readonly content: Retiring;
  /** Null: there are none. */
  readonly naming: Retiring | null;
}

interface Retiring {
  /** Nothing of it is changed from here any more once it resolves. */
  retire(): Promise<void>;
}

/** What is under way as the books pass on, but for the credits, which the books tell. */
export interface UnderWay {
  readonly purchases: readonly number[];
  readonly claims: readonly [text: string, fingerprint: Uint8Array][];
}

/** How a provider's books pass on to another process of it. */
export interface Estate {
  /**
   * This process serves, and passes nothing back: lanes are kept as they are now, so that no start
   * replays what an earlier release wrote, and that release refuses the ledger from then on.
   */
  keepLanes(): void;
  /** It is to stop soon: whatever others can do meanwhile is theirs from now on. */
  drain(): Promise<void>;
  /**
   * Whatever is done here beside calls comes to rest: it may take as long as the chain takes to
   * answer. Calls go on; what of them has to be sent waits for `heir`.
   */
  retire(heir: Promise<Desk>): Promise<void>;
  /** Nothing more is written here when it resolves; calls that go on wait for `heir`. */
  handOver(heir: Promise<Desk>): Promise<UnderWay>;
  /** For the runs of the process before, which left this under way. */
  deskFor(left: UnderWay): GuestDesk;
}

/** Of books that are files: who has them next has all that is under way, too. */
export class OwnEstate implements Estate {
  constructor(private readonly parts: EstateParts) {}

  keepLanes(): void {
    // Where the disk does not take them the next time does.
    this.parts.payments.ledger.store.checkpoint().catch(() => {});
  }

  async drain(): Promise<void> {}

  async retire(heir: Promise<Desk>): Promise<void> {
    const { payments, content, naming } = this.parts;
    const upkeep = payments.ledger.store.stopUpkeep();
    await Promise.all([payments.retire(heir), content.retire(), naming?.retire(), upkeep]);
  }

  async handOver(heir: Promise<Desk>): Promise<UnderWay> {
    const { payments, answers, records } = this.parts;
    answers.seat.move(heir);
    tellRunLog(records, heir);
    const underWay = {
      purchases: payments.purchases.runningFor(),
      claims: answers.own.running(),
    };
    await payments.handOver(heir);
    return underWay;
  }

  deskFor(left: UnderWay): GuestDesk {
    const { payments, answers: { own, seat }, records: { runLog } } = this.parts;
    const { ledger, purchases, callPurchases, settler, sender, settlement } = payments;
    // By what calls use here: should this process hand over in turn, its guests' runs go on.
    const parts: DeskParts = {
      ledger,
      purchases: callPurchases,
      purchased: purchases,
      settler,
      operator: sender,
      answers: seat,
      running: own,
      runLog,
      onCharge: () => settlement.noticeCharge(),
    };
    return new GuestDesk(parts, { ...left, holds: this.#holds() });
  }

  /** All that is held as the books are opened is held by runs of the process before. */
  #holds(): GuestHold[] {
    const { reservations } = this.parts.payments.ledger.store.book;
    return [...reservations].map(([reservation, { payer, lane }]) => ({
      reservation,
      payer,
      lane,
    }));
  }
}

/** What runs here write from now on is written by who has the books. */
export function tellRunLog({ runLog }: Pick<Records, "runLog">, heir: Promise<Desk>): void {
  const tell = (what: (desk: Desk) => unknown) => void heir.then(what).catch(() => {});
  runLog.handOver({
    add: (cid, run) => tell((desk) => desk.logRun(cid, run)),
    addServerEntry: (cid, entry) => tell((desk) => desk.logServer(cid, entry)),
  });
}

/**
 * What a provider's money, records and answers are kept in: files of this machine
 * (`own_books.ts`), or the database that all nodes of a fleet share (`fleet_books.ts`).
 */
import type { FleetNode } from "../../ipfs/rendezvous.ts";
import type { Idempotency } from "../call/idempotency.ts";
import type { Denial } from "../denial/denial.ts";
import type { DenialDesk, Denials } from "../denial/denials.ts";
import type { CurrentOffer } from "../deployment/current_offer.ts";
import type { PermitShelf } from "../deployment/owner_permits.ts";
import type { Records } from "../deployment/records.ts";
import type { LogSink } from "../deployment/run_log.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { PurchaseFigures, PurchasesOfCalls } from "../ledger/purchase_book.ts";
import type { Store } from "../ledger/store.ts";
import type { FleetWatched } from "../metrics/fleet_usage.ts";
import type { Counters, LedgerWatched, OperatorWatched } from "../metrics/gauges.ts";
import type { ExactSettler } from "../money/exact/exact.ts";
import type { OpenNamesOptions } from "../naming/open_names.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { LastRelays } from "../settlement/last_relays.ts";
import type { OperatorOfCalls } from "../settlement/operator_seat.ts";
import type { Payments } from "../settlement/payments.ts";
import type { RelayTurns, TurnLimits } from "../settlement/relay_turns.ts";
import type { Settlement } from "../settlement/settlement.ts";
import type { BesideBooks, Estate } from "./estate.ts";
import type { NodeWork } from "./membership.ts";
import type { RouteParts } from "./parts.ts";

/** What books are opened with, beside the site. */
export interface BooksGround {
  current: CurrentOffer;
  counters: Pick<Counters, "denied" | "fleet">;
}

/** The money, as the parts of a provider ask it. */
export interface BookedPayments
  extends Pick<Payments, "payers" | "follower" | "tally" | "elsewhere" | "policy" | "alarms"> {
  readonly ledger: Ledger;
  readonly settlement: Pick<Settlement, "noticeCharge" | "settleNow" | "behindSeconds">;
  /** Single payments: what was bought, and how it is paid. */
  readonly purchases: PurchasesOfCalls;
  readonly settler: ExactSettler;
  /** Has sent what calls and payers need. */
  readonly operator: OperatorOfCalls;
}

/** What of them is for those who look after a provider. */
export interface BookFigures {
  purchases(): PurchaseFigures;
  outboxPending(): number;
  operator(): OperatorWatched;
  /** Null: there is no journal on this machine. */
  ledger(): LedgerWatched | null;
}

export interface Books {
  readonly payments: BookedPayments;
  readonly figures: BookFigures;
  /** Of this machine's disk. */
  readonly store: Pick<Store, "ballast" | "failure">;
  readonly records: Records;
  readonly stops: RouteParts["records"]["stops"];
  readonly runLog: RouteParts["records"]["runLog"] & LogSink;
  /** That owners signed since they deployed. */
  readonly permits: PermitShelf;
  readonly denials: Denials;
  /** Takes the operator's word on whom to deny. */
  readonly denialDesk: DenialDesk;
  readonly idempotency: Idempotency;
  /** When something was last relayed for a payer. */
  readonly lastRelays: LastRelays;
  readonly receiptSecret: Uint8Array;
  readonly names: Pick<OpenNamesOptions, "register" | "writer">;
  /** Absent: there are no other nodes. */
  readonly nodes?: () => readonly FleetNode[];
  turns(limits: TurnLimits): RelayTurns;
  /** Has what others were told (stops, denials, names) end what runs here, too. */
  endRunsBy(sandboxes: Pick<Sandboxes, "stop" | "expel" | "retire">): void;
  /** Told of each denial that another node was told of. */
  onDenied(listener: (denial: Denial) => void): void;
  /** Has the other nodes, and who looks at them, told what this one does. */
  tellOf(work: () => NodeWork): void;
  /** Absent: it is none's. */
  readonly fleet?: FleetWatched;
  /** How they pass on. */
  estate(beside: BesideBooks): Estate;
}

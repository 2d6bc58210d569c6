/** What calls are served with: money, programs, the gate before them, the records behind. */
import type { KhachapuriError } from "../../errors.ts";
import type { Log } from "../../log.ts";
import type { Welcome } from "../denial/welcome.ts";
import type { Deployments } from "../deployment/deployments.ts";
import type { Records } from "../deployment/records.ts";
import type { ReadBody } from "../http/request_body.ts";
import type { Counter } from "../metrics/metrics.ts";
import type { RunUsage } from "../metrics/run_usage.ts";
import type { PaymentScheme } from "../money/scheme.ts";
import type { Place } from "../program/detector.ts";
import type { Sandboxes } from "../program/sandboxes.ts";
import type { Idempotency } from "./idempotency.ts";
import type { Slots } from "./slots.ts";

export interface CallParts {
  money: CallMoney;
  programs: CallPrograms;
  gate: CallGate;
  records: CallRecords;
}

/** Ways to be paid, asked in this order; the last one takes every request or refuses it. */
export interface CallMoney {
  schemes: readonly PaymentScheme[];
  startDebits: StartDebits;
}

/** What owners are charged for starts of their servers that fail. */
export interface StartDebits {
  /** Whether the owner has paid for the start that failed with `why`; null: with it none did. */
  of(why: KhachapuriError): Promise<boolean> | null;
}

export interface CallPrograms {
  deployments: Pick<Deployments, "get">;
  sandboxes: Pick<Sandboxes, "acquire" | "isOpen" | "isClosed">;
  readonly place: Place;
  /** How many credits one run may take here. */
  creditsMax: number;
  /** What callers know us by, e.g. `https://provider.example`. */
  webDomain: URL;
}

/** What a call has to pass before it costs anything. */
export interface CallGate {
  slots: Pick<Slots, "assertRoom" | "take" | "close">;
  idempotency: Idempotency;
  /** Whom the operator serves. */
  welcome: Welcome;
  /** The most that a request's body may have. */
  requestBytes: number;
  readBody: ReadBody;
}

export interface CallRecords {
  registrations: Pick<Records["registrations"], "add">;
  stops: Pick<Records["stops"], "has">;
  runLog: Pick<Records["runLog"], "add">;
  /** Ended runs by who pays and how they ended. */
  runs: Counter;
  /** Credits charged, by who pays. */
  credits: Counter;
  usage: Pick<RunUsage, "note">;
  log: Log;
  now: () => number;
}

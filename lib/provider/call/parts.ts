/** What calls are served with: money, programs, the gate before them, the records behind. */
import type { Log } from "../../log.ts";
import type { Deployments } from "../deployment/deployments.ts";
import type { Records } from "../deployment/records.ts";
import type { ReadBody } from "../http/request_body.ts";
import type { ShortTimer } from "../http/short_timer.ts";
import type { Counter } from "../metrics/metrics.ts";
import type { RunUsage } from "../metrics/run_usage.ts";
import type { PaymentScheme } from "../money/scheme.ts";
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
}

export interface CallPrograms {
  deployments: Pick<Deployments, "get">;
  sandboxes: Pick<Sandboxes, "acquire" | "isOpen" | "isClosed">;
  /** What callers know us by, e.g. `https://provider.example`. */
  webDomain: URL;
}

/** What a call has to pass before it costs anything. */
export interface CallGate {
  slots: Pick<Slots, "take">;
  idempotency: Idempotency;
  readBody: ReadBody;
  shortTimer: ShortTimer;
}

export interface CallRecords {
  registrations: Pick<Records["registrations"], "add">;
  runLog: Pick<Records["runLog"], "add">;
  /** Ended runs by who pays and how they ended. */
  runs: Counter;
  usage: Pick<RunUsage, "note">;
  log: Log;
  now: () => number;
}

/** What the instances of a server do, as others are told. */
import type { RunLimits, RunRecord } from "../../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../errors.ts";
import type { ServerRequest, ServerResponse } from "./exchange.ts";

export type InstanceState = "starting" | "awake" | "frozen" | "draining";

/** Why an instance ended. */
export type InstanceEnd =
  /** Nobody needed it for long, or another deployment needed its place. */
  | "idle"
  /** Its deployment was stopped or replaced, or the provider shuts down. */
  | "drained"
  /** A request outlived its time. */
  | "timeout"
  /** It ended by itself, or a limit ended it. */
  | "crashed"
  /** It worked while it was to stand still. */
  | "escaped";

/** Why an instance did not come to listen. */
export interface StartFault {
  /** As its callers are told. */
  readonly why: KhachapuriError;
  /** As its owner is: what exactly it was, and what to do. */
  readonly toOwner: KhachapuriError;
}

/** What is left of an instance that did not come to listen. */
export interface StartRemains {
  /** How it ended; limit "aborted" when its time to start was over. null: that is not known. */
  readonly record: RunRecord | null;
  /** The end of what it printed. */
  readonly output: Uint8Array;
}

/** Where an event has a record, its `stderr` is the end of what the instance printed. */
export type ServerEvent =
  | { readonly kind: "output"; readonly instance: number; readonly bytes: Uint8Array }
  | { readonly kind: "started"; readonly instance: number; readonly readyMs: number }
  /** It did not come to listen; its owner's fault unless `why` is `sandbox_unavailable`. */
  | {
    readonly kind: "failed";
    readonly instance: number;
    readonly record: RunRecord | null;
  } & StartFault
  | {
    readonly kind: "ended";
    readonly instance: number;
    readonly why: InstanceEnd;
    readonly record: RunRecord | null;
  };

export interface InstanceView {
  /** Counts from 1, in the order in which the server's instances were started. */
  readonly instance: number;
  readonly state: InstanceState;
  /** When it was started, Unix ms. */
  readonly since: number;
  /** As last measured; null before. */
  readonly memoryBytes: number | null;
  /** Answered so far. */
  readonly requests: number;
  readonly inFlight: number;
  readonly tunnels: number;
}

export interface ServerView {
  readonly instances: readonly InstanceView[];
  /** Instances that ended by themselves, or never came to listen. */
  readonly restarts: number;
}

/** A place for one request at an instance. */
export interface Seat {
  /** Of the request; `timeoutMs` for each credit. */
  readonly limits: RunLimits;
  /** Sends it, once; the place is free again when its request is over, or has become a tunnel. */
  send(request: ServerRequest): ServerRun;
  /** There will be no request; does nothing once there was one, and when it is called again. */
  release(): void;
}

/** A place that is not there yet; fails as `Server.seat` says. */
export type SeatWait = Promise<Seat> & {
  /**
   * Its caller has gone: it fails, unless the place has come. Tells whether an instance is being
   * started meanwhile.
   */
  giveUp(): boolean;
};

/** A request that an instance works on. */
export interface ServerRun {
  /** Fails with `program_failed`, `program_timeout`, `program_limit`; or as its body's source. */
  readonly response: Promise<ServerResponse>;
  /**
   * Of this request: resolves when its answer, or its tunnel, is over or given up, with exit 0 when
   * the answer was whole; of its instance, if that died. Rejects only with `sandbox_unavailable`,
   * when our side failed: nobody may be charged for such a request.
   */
  readonly record: Promise<RunRecord>;
  /** Ends it: its connection to the instance is cut. */
  kill(): void;
  /** It may take `ms` longer. */
  extend(ms: number): void;
  /** When its time began, on the clock of `performance.now()`. */
  begun(): number;
}

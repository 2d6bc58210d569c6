/** What a provider decides about its sandboxes: how they start, and what a deployment may use. */

import type { EgressPolicy } from "./egress.ts";

/** Uid and gid that a program sees as its own. */
export const INNER_ID = "65534";

/** The host name that it sees. */
export const INNER_NAME = "sandbox";

/** How this machine starts sandboxes. */
export interface SandboxHost {
  launcher: "bwrap" | "nsjail";
  /** Absolute path of the launcher; by default where Debian installs it. */
  launcherPath?: string;
  /**
   * First of the `RUN_UIDS_MAX` uids (and gids) that programs run as, one for each open sandbox.
   * null: they run under our own uid, and share with us what the kernel counts for each uid.
   */
  runUid: number | null;
  /** Absolute path of the folder that programs see as /etc (etc.ts); without it they see none. */
  etc?: string;
  /** Absolute path of the native helper; by default where `deno task setup` builds it. */
  helperPath?: string;
}

/** What each run may use. */
export interface RunLimits {
  /** Wall clock, unless the run is extended. */
  timeoutMs: number;
  memoryMb: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** How many times `timeoutMs` a run takes at most, as often as it is extended; 1 by default. */
  credits?: number;
}

/** Where a server is given its connections: on a port of its own, or by a socket passed to it. */
export type Listen = { readonly kind: "port"; readonly port: number } | { readonly kind: "fd" };

/** What the runs of one deployment may see and use. */
export interface SandboxPolicy {
  /** Absolute path of the unpacked program; must be readable by the run uid. */
  programDir: string;
  limits: RunLimits;
  /** Without it they reach nothing. */
  egress?: EgressPolicy | null;
}

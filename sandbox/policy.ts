/** What a provider decides about its sandboxes: how they start, and what a deployment may use. */

/** How this machine starts sandboxes. */
export interface SandboxHost {
  launcher: "bwrap" | "nsjail";
  /** Absolute path of the launcher; by default where Debian installs it. */
  launcherPath?: string;
  /**
   * First of the `RUN_UIDS_MAX` uids (and gids) that programs run as, one for each open sandbox;
   * null means that we are unprivileged and they run as us.
   */
  runUid: number | null;
  /** Absolute path of a copy of `ETC_PATHS`; without it each is mounted by itself: slower. */
  etc?: string;
  /** Absolute path of the native helper; by default where `deno task` builds it. */
  helperPath?: string;
}

/** What one deployment may see and use. */
export interface SandboxPolicy {
  /** Absolute path of the unpacked program; must be readable by the run uid. */
  programDir: string;
  limits: { timeoutMs: number; memoryMb: number; stdoutBytes: number; stderrBytes: number };
}

/** What programs can do to a provider whose uid they have, for `doctor` and the log of `serve`. */
import type { ProbeResult } from "../../../sandbox/probe.ts";
import type { ProviderConfig } from "../../config.ts";

/** Of the kernel's memory, one descriptor that is watched by epoll(7), at the least. */
const WATCH_BYTES = 200;

type Probe = Pick<Extract<ProbeResult, { ok: true }>, "programsRunAs" | "watches" | "enforced">;
type Allowed = { concurrency: number } & Pick<ProviderConfig["sandbox"], "memoryMb">;

/**
 * What is to be known and done; nothing where programs have uids of their own.
 * @param uid the provider's
 */
export function sharingHints(probe: Probe, allowed: Allowed, uid: number | null): string[] {
  const { programsRunAs, watches, enforced } = probe;
  if (programsRunAs !== uid) return [];
  const keys = "programs share this user's uid: keep its key files unreadable to them";
  const programsBytes = allowed.concurrency * allowed.memoryMb * 1024 * 1024;
  const isCounted = enforced.includes("memory");
  if (isCounted && watches * WATCH_BYTES > programsBytes) return [keys];
  const enough = Math.floor(programsBytes / WATCH_BYTES) + 1;
  return [
    keys,
    `any can use up what its user may watch (fs.epoll.max_user_watches, ${watches}), which takes ` +
    "the provider off the net as long as it runs",
    "let programs have uids of their own: the unit of `khachapuri init --systemd` does",
    ...(isCounted ? [`or, as root: sysctl -w fs.epoll.max_user_watches=${enough}`] : []),
  ];
}

/** The uids that programs run as: no two sandboxes that are open at the same time share one. */
import { KhachapuriError } from "../lib/errors.ts";
import { RUN_UIDS_MAX } from "../lib/limits.ts";
import type { SandboxHost } from "./policy.ts";

export interface RunUid {
  /** null: programs run under our own uid. */
  number: number | null;
  giveBack(): void;
}

/** In use by this process, whichever range they are of. */
const taken = new Set<number>();

/**
 * Takes the first free uid of the `RUN_UIDS_MAX` from `first` on. A uid of its own keeps a sandbox
 * from the quotas of another, which the kernel counts for each uid on the whole machine.
 * @throws KhachapuriError `overloaded` when all are in use
 */
export function takeRunUid(first: number | null): RunUid {
  if (first === null) return { number: null, giveBack() {} };
  for (let number = first; number < first + RUN_UIDS_MAX; number++) {
    if (taken.has(number)) continue;
    taken.add(number);
    return { number, giveBack: () => void taken.delete(number) };
  }
  throw new KhachapuriError("overloaded", "too many deployments are open on this provider");
}

/**
 * Programs never run as uid 0: a process whose uid is the machine's root may write sysctls, also in
 * a user namespace.
 * @param uid ours
 * @throws KhachapuriError `sandbox_unavailable`
 */
export function assertUnprivileged(host: SandboxHost, uid: number | null): void {
  const runsAs = host.runUid ?? uid;
  if (runsAs !== null && runsAs > 0) return;
  throw new KhachapuriError("sandbox_unavailable", "programs must never run as uid 0", {
    hints: ["set provider.sandbox.runUid to an unprivileged uid, or start as an ordinary user"],
  });
}

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
/** In use by processes whose place this one took; each as often as it was told. */
const elsewhere = new Map<number, number>();
/** Where this process begins to look for a free one, from the first of a range on. */
let begin = 0;

/** A process that leaves has a part of the range's upper half, of so many. */
const LEAVERS_PARTS = 8;

/**
 * Takes the first free uid of the `RUN_UIDS_MAX` from `first` on. A uid of its own keeps a sandbox
 * from the quotas of another, which the kernel counts for each uid on the whole machine.
 * @throws KhachapuriError `overloaded` when all are in use
 */
export function takeRunUid(first: number | null): RunUid {
  if (first === null) return { number: null, giveBack() {} };
  for (let count = 0; count < RUN_UIDS_MAX; count++) {
    const number = first + (begin + count) % RUN_UIDS_MAX;
    if (taken.has(number) || elsewhere.has(number)) continue;
    taken.add(number);
    return { number, giveBack: () => void taken.delete(number) };
  }
  throw new KhachapuriError("overloaded", "too many deployments are open on this provider");
}

/** All that programs may be running as, of this process and of those before it. */
export function runUidsInUse(): number[] {
  return [...new Set([...taken, ...elsewhere.keys()])];
}

/** Programs of another process run as these. @returns to be called once it has ended */
export function leaveRunUids(numbers: readonly number[]): () => void {
  for (const number of numbers) elsewhere.set(number, (elsewhere.get(number) ?? 0) + 1);
  return () => {
    for (const number of numbers) {
      const left = elsewhere.get(number)! - 1;
      if (left === 0) elsewhere.delete(number);
      else elsewhere.set(number, left);
    }
  };
}

/**
 * Another process takes uids from the first one on by now: what this one still takes is out of its
 * way, and of others that leave.
 * @param generation which of them this one is
 */
export function takeRunUidsAside(generation: number): void {
  const half = RUN_UIDS_MAX / 2;
  begin = half + (generation % LEAVERS_PARTS) * (half / LEAVERS_PARTS);
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

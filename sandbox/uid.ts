/** Uids for sandboxes: two that are open at the same time never share one. */
import { KhachapuriError } from "../lib/errors.ts";
import { RUN_UIDS_MAX } from "../lib/limits.ts";

export interface RunUid {
  /** null: programs run as ourselves. */
  number: number | null;
  giveBack(): void;
}

/** All that this process has handed out: the kernel's quotas are per uid and machine-wide. */
const taken = new Set<number>();

/**
 * Takes the first free uid of the range that starts at `first`.
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

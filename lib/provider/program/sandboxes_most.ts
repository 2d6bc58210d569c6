/** How many sandboxes may be open on this machine. */
import {
  SANDBOX_BYTES,
  SANDBOX_DESCRIPTORS,
  SANDBOX_PROCESSES,
  SANDBOXES_OPEN_LEAST,
  SANDBOXES_OPEN_MAX,
  SANDBOXES_SHARE,
} from "../../limits_of_sandboxes.ts";

/** What this process may have of the machine; NaN: not known, or as much as it wants. */
export interface MachineShare {
  /** Of memory, without swapping. */
  readonly availableBytes: number;
  /** By the cgroup that it is in. */
  readonly memoryMaxBytes: number;
  readonly descriptorsMax: number;
  /** With all that it starts. */
  readonly processesMax: number;
}

/**
 * @param wish the operator's own, which goes above what memory suggests, but not above what the
 * machine lets a process have
 */
export function sandboxesMost(wish: number | null, share: MachineShare): number {
  const known = (bounds: number[]) => Math.min(...bounds.filter((bound) => !Number.isNaN(bound)));
  const part = (bound: number) => Math.floor(bound * SANDBOXES_SHARE);
  const allowed = known([
    SANDBOXES_OPEN_MAX,
    part(share.descriptorsMax / SANDBOX_DESCRIPTORS),
    part(share.processesMax / SANDBOX_PROCESSES),
  ]);
  const memory = part(known([share.availableBytes, share.memoryMaxBytes]) / SANDBOX_BYTES);
  return Math.min(wish ?? Math.max(memory, SANDBOXES_OPEN_LEAST), Math.max(allowed, 1));
}

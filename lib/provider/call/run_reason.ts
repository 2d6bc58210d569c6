/** Why a run ended as it did, in words for its owner's log. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../errors.ts";
import { diagnose, type Evidence, ownersSentence } from "../program/diagnosis.ts";

/** What is known when a run's accounts end. */
export interface RunEnd {
  readonly record: RunRecord;
  /** Why there is no answer, or half of one; null when it is whole, or the caller left. */
  readonly error: KhachapuriError | null;
  /** Whether the provider's shutdown ended it. */
  readonly isShutdown: boolean;
  readonly interface: Evidence["interface"];
  /** As in the evidence. */
  readonly beginning: Uint8Array | null;
}

/** One line; null for a run of which there is nothing to say. */
export function runReason(end: RunEnd): string | null {
  const { record, error, beginning } = end;
  const answerFault = error?.shortMessage ?? null;
  const found = diagnose({ record, interface: end.interface, beginning, answerFault });
  const parts = [endedBy(end), found && ownersSentence(found)].filter((part) => part !== null);
  return parts.length === 0 ? null : parts.join("; ");
}

function endedBy({ record, error, isShutdown }: RunEnd): string | null {
  if (isShutdown) return "the provider was shut down";
  // All that ends a run before its time has an error of its own, but for a caller that leaves.
  const isOwnError = error !== null && error.code !== "program_limit";
  if (record.limit === "aborted" && !isOwnError) return "the caller left before the answer's end";
  if (error) return error.shortMessage;
  return record.limit === null ? null : `it hit its ${record.limit} limit`;
}

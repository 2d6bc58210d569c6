/** Why a run ended as it did, in words for its owner's log. */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import type { KhachapuriError } from "../../errors.ts";
import { type Evidence, moreTime } from "../program/detector.ts";
import { diagnose, ownersSentence } from "../program/diagnosis.ts";
import { unreachedDiagnosis } from "../program/network_failures.ts";

/** What is known when a run's accounts end. */
export interface RunEnd extends Omit<Evidence, "record" | "answerFault"> {
  readonly record: RunRecord;
  /** Why there is no answer, or half of one; null when it is whole, or the caller left. */
  readonly error: KhachapuriError | null;
  /** Why it got no further credit; null when it wanted none, or got what it wanted. */
  readonly creditRefusal: KhachapuriError | null;
  /** Whether the provider's shutdown ended it. */
  readonly isShutdown: boolean;
  /** Whether the provider ended it, as its operator serves the deployment no more. */
  readonly isExpelled: boolean;
  /** Whether it was ended as nobody waits for it any more. */
  readonly hasCallerLeft: boolean;
}

/** One line; null for a run of which there is nothing to say. */
export function runReason(end: RunEnd): string | null {
  const { record, error } = end;
  const found = diagnose({ ...end, answerFault: error?.shortMessage ?? null });
  const isSlow = record.limit === "timeout" && found === null && end.creditRefusal === null;
  // Said also of a run that ended well: it may have done without the host.
  const unreached = unreachedDiagnosis(record.egress, end.place);
  const parts = [
    endedBy(end),
    withoutCredit(end),
    isSlow ? moreTime(end.place) : null,
    found && ownersSentence(found),
    unreached && ownersSentence(unreached),
  ].filter((part) => part !== null);
  // The same failure can be both.
  return parts.length === 0 ? null : [...new Set(parts)].join("; ");
}

/** A run that ended before its paid time was over lacked none. */
function withoutCredit({ record, creditRefusal }: RunEnd): string | null {
  if (record.limit !== "timeout" || creditRefusal === null) return null;
  return `no further credit was to be had: ${creditRefusal.shortMessage}`;
}

function endedBy(end: RunEnd): string | null {
  const { record, error, hasCallerLeft } = end;
  if (end.isShutdown) return "the provider was shut down";
  if (end.isExpelled) return "the provider serves this deployment no more";
  const isOwnError = error !== null && error.code !== "program_limit";
  if (record.limit === "aborted" && !isOwnError) {
    return hasCallerLeft
      ? "the caller left before the answer's end"
      : "it was ended before the answer's end, as its program was stopped or replaced";
  }
  if (error) return error.shortMessage;
  if (record.limit === "escaped") return "it went on working while it was to stand still";
  return record.limit === null ? null : `it hit its ${record.limit} limit`;
}

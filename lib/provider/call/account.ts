/**
 * The end of a call's accounts: the credit is charged or released, the run is logged, slot and
 * sandbox are free again. What is the program's fault costs its payer one credit, what is ours
 * costs nothing.
 */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type ErrorCode, KhachapuriError } from "../../errors.ts";
import type { Outcome } from "../../receipt.ts";
import type { RunFacts } from "../ledger/ledger.ts";
import type { Call, Started } from "./call.ts";
import type { Claim } from "./idempotency.ts";
import type { Transcript } from "./transcript.ts";

/** How the answer to a run ended. */
export interface Ending {
  /** What the caller was answered. */
  status: number;
  /** Why there is no answer, or half of one; null when it is whole, or the caller left. */
  error: KhachapuriError | null;
  transcript: Transcript;
  /** Whether all of the answer went out. */
  isWhole: boolean;
}

/** The failures that are a program's own. */
const PROGRAM_CODES: ReadonlySet<ErrorCode> = new Set([
  "program_failed",
  "program_timeout",
  "program_limit",
]);

export class Account {
  #ended: Promise<boolean> | null = null;

  /** @param claim the key under which the answer is kept; free again at the end */
  constructor(
    private readonly call: Call,
    private readonly started: Started,
    private readonly claim: Claim | null,
  ) {}

  /** Ends the accounts, once; tells whether the run was charged. */
  end(ending: Ending): Promise<boolean> {
    return this.#ended ??= this.#conclude(ending);
  }

  async #conclude(ending: Ending): Promise<boolean> {
    const { started: { run, hold }, call, claim } = this;
    const record = await run.record.catch((error) => asKhachapuriError(error));
    call.release();
    try {
      if (record instanceof KhachapuriError) return this.#release(record.code);
      this.#log(record, ending.status);
      const fault = this.#ourFault(record, ending);
      if (fault !== null) return this.#release(fault);
      const outcome = outcomeOf(record);
      this.#count(outcome);
      const facts = await this.#runFacts(record, ending);
      if (facts) ending.transcript.keep(hold.reservation, ending.isWhole);
      await hold.charge(outcome, facts);
      return true;
    } finally {
      claim?.end();
    }
  }

  #release(reason: string): false {
    this.#count("released");
    this.started.hold.release(reason);
    return false;
  }

  #count(outcome: Outcome | "released"): void {
    const { parts, bill } = this.call;
    parts.records.runs.add({ paid_by: bill.source, outcome });
  }

  /** What the receipt will say; null where there is none, as the owner pays. */
  async #runFacts(record: RunRecord, ending: Ending): Promise<RunFacts | null> {
    const responseHash = ending.transcript.responseHash();
    if (responseHash === null) return null;
    const { body, at: startedAt } = this.started;
    const requestHash = await body.hash();
    return { requestHash, responseHash, startedAt, durationMs: Math.round(record.wallMs) };
  }

  /** Why a started run costs nothing; null when it is to be charged. */
  #ourFault(record: RunRecord, { error }: Ending): string | null {
    // The program has worked on the body until it was too much, or broke off: whoever could end a
    // run for free so, could have all of its work for nothing. A length that is said and too large
    // is refused before, for free.
    if (this.started.body.failure()) return null;
    // Ours alone: whoever else could end a run for free, could have all of its work for nothing.
    const isShutdown = this.call.parts.programs.sandboxes.isClosed();
    if (record.limit === "aborted" && isShutdown && !this.call.isKilled()) return "shutdown";
    return error && !PROGRAM_CODES.has(error.code) ? error.code : null;
  }

  #log(record: RunRecord, status: number): void {
    const { parts: { records }, deployment: { cid }, arrival } = this.call;
    const { stderr: bytes, ...facts } = record;
    const stderr = bytes.length === 0 ? "" : new TextDecoder().decode(bytes);
    const { method } = arrival.request;
    records.runLog.add(cid, { at: this.started.at, method, status, ...facts, stderr });
    records.log.debug("run ended", { cid, status, ...facts });
    records.usage.note(record);
  }
}

function outcomeOf(record: RunRecord): Outcome {
  if (record.limit === "timeout") return "timeout";
  if (record.limit === "aborted") return "aborted";
  if (record.limit !== null) return "limit";
  return record.exit === 0 ? "answered" : "failed";
}

/**
 * The end of a call's accounts: its credits are charged or the last one released, the run is
 * logged, slot and sandbox are free again. What is the program's fault costs its payer the credits
 * that it took, what is ours none but those that it had used up.
 */
import type { Hex } from "viem";
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, isProgramsOwn, KhachapuriError } from "../../errors.ts";
import { LOGGED_PATH_CHARACTERS_MAX } from "../../limits.ts";
import type { Outcome } from "../../receipt.ts";
import type { RunFacts } from "../ledger/ledger.ts";
import type { Call, Started } from "./call.ts";
import type { Claim } from "./idempotency.ts";
import { runReason } from "./run_reason.ts";
import type { Transcript } from "./transcript.ts";

/** How the answer to a run ended. */
export interface Ending {
  /** What the caller was answered. */
  status: number;
  /** Why there is no answer, or half of one; null when it is whole, or the caller left. */
  error: KhachapuriError | null;
  /** The first chunk of an answer without a head; null when it had one, or there is no answer. */
  beginning: Uint8Array | null;
  transcript: Transcript;
  /** Whether all of the answer went out. */
  isWhole: boolean;
}

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
    this.started.paidTime?.stop();
    call.release();
    let isCharged = false;
    try {
      if (record instanceof KhachapuriError) {
        return this.#release(call.isExpelled() ? "denied" : record.code);
      }
      this.#log(record, ending);
      const fault = this.#ourFault(record, ending);
      if (fault !== null) return this.#release(fault);
      const outcome = outcomeOf(record);
      const responseHash = ending.transcript.responseHash();
      // There is no receipt where the owner pays.
      const facts = responseHash === null ? null : await this.#runFacts(record, responseHash);
      if (facts) await this.#keep(ending);
      this.#count(outcome, hold.credits);
      // What is signed must not be forgotten, so a receipt waits for the disk when it is asked for.
      // Whoever keeps an answer under a key wants it charged for good before it has it.
      await hold.charge(outcome, facts, claim ? "disk" : "handed over");
      return isCharged = true;
    } finally {
      await claim?.end(isCharged);
    }
  }

  /** What was not kept is not charged either: asked for again, it would be paid for twice. */
  async #keep({ transcript, isWhole }: Ending): Promise<void> {
    const { hold: { reservation, credits } } = this.started;
    try {
      await transcript.keep(reservation, isWhole, credits);
    } catch (error) {
      this.#release(asKhachapuriError(error).code);
      throw error;
    }
  }

  #release(reason: string): false {
    const { hold } = this.started;
    // What it had used up before the last credit's time began stays charged.
    this.#count("released", hold.credits - 1);
    hold.release(reason);
    return false;
  }

  #count(outcome: Outcome | "released", credits: number): void {
    const { parts: { records }, bill: { source: paid_by } } = this.call;
    records.runs.add({ paid_by, outcome });
    records.credits.add({ paid_by }, credits);
  }

  /** What the receipt will say. */
  async #runFacts(record: RunRecord, responseHash: Hex): Promise<RunFacts> {
    const { body, hold: { credits }, at: startedAt } = this.started;
    const requestHash = await body.hash();
    const durationMs = Math.round(record.wallMs);
    return { credits, requestHash, responseHash, startedAt, durationMs };
  }

  /** Why a started run costs nothing; null when it is to be charged. */
  #ourFault(record: RunRecord, { error }: Ending): string | null {
    // The money did not come, or is not here yet.
    if (error?.code === "payment_required") return error.code;
    // The program has worked on the body until it was too much, or broke off: whoever could end a
    // run for free so, could have all of its work for nothing. A length that is said and too large
    // is refused before, for free.
    if (this.started.body.failure()) return null;
    // Ours alone: whoever else could end a run for free, could have all of its work for nothing.
    if (this.#isShutdown(record)) return "shutdown";
    if (this.#isExpelled(record)) return "denied";
    return error && !isProgramsOwn(error) ? error.code : null;
  }

  #isShutdown({ limit }: RunRecord): boolean {
    const isClosed = this.call.parts.programs.sandboxes.isClosed();
    return limit === "aborted" && isClosed && !this.call.isKilled();
  }

  /** The operator's stop is ours: a run that it ends costs nothing. */
  #isExpelled({ limit }: RunRecord): boolean {
    return limit === "aborted" && this.call.isExpelled() && !this.call.isKilled();
  }

  #log(record: RunRecord, { status, error, beginning }: Ending): void {
    const { parts: { records, programs: { place } }, deployment: { cid, spec }, arrival } =
      this.call;
    const { stderr: bytes, listeningPort: _, egress, ...facts } = record;
    const reason = runReason({
      record,
      error: this.started.body.failure() ?? error,
      creditRefusal: this.started.paidTime?.refusal() ?? null,
      isShutdown: this.#isShutdown(record),
      isExpelled: this.#isExpelled(record),
      hasCallerLeft: this.call.isKilled(),
      interface: spec.interface,
      mayCall: spec.egress,
      place,
      beginning,
    });
    const stderr = bytes.length === 0 ? "" : new TextDecoder().decode(bytes);
    const { target, request: { method } } = arrival;
    const path = target.path.slice(0, LOGGED_PATH_CHARACTERS_MAX);
    const { at, hold: { credits } } = this.started;
    const wallMs = tenths(record.wallMs);
    const cpuMs = record.cpuMs === null ? null : tenths(record.cpuMs);
    const used = { ...facts, wallMs, cpuMs };
    const run = { at, method, path, status, credits, ...used, egress, reason, stderr };
    records.runLog.add(cid, run);
    records.log.debug("run ended", { cid, status, ...used, reason });
    records.usage.note(record);
  }
}

/** Milliseconds as people read them. */
function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}

function outcomeOf(record: RunRecord): Outcome {
  if (record.limit === "timeout") return "timeout";
  if (record.limit === "aborted") return "aborted";
  if (record.limit !== null) return "limit";
  return record.exit === 0 ? "answered" : "failed";
}

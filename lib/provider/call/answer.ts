/**
 * From a started run to the caller's answer and the end of its accounts. The program's output goes
 * out as it comes; the charge is committed before the last byte goes. What is the program's fault
 * costs its payer one credit, what is ours costs nothing.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { Hex } from "viem";
import type { Run, RunRecord } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type ErrorCode, KhachapuriError } from "../../errors.ts";
import { IDEMPOTENCY_ANSWER_BYTES_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import {
  type CreditsOffer,
  PAYMENT_RESPONSE_HEADER,
  paymentResponse,
  toHeader,
} from "../../payment_header.ts";
import type { Bill, BillTerms } from "../money/bill.ts";
import type { Reservation } from "../money/credits.ts";
import type { Deployment } from "../deployment/deployments.ts";
import { failureOf } from "../http/failure.ts";
import type { HeaderField } from "../http/header_rules.ts";
import type { Claim } from "./idempotency.ts";
import type { Outcome } from "../ledger/journal.ts";
import type { RunUsage } from "../metrics/gauges.ts";
import type { Counter } from "../metrics/metrics.ts";
import { isolate, keepPrivate } from "../http/target.ts";
import { RECEIPT_HEADER, type Receipts } from "../money/receipts.ts";
import type { Registrations } from "../deployment/registrations.ts";
import type { RequestBody } from "../http/request_body.ts";
import { readShort, type Relay, streamOf } from "../http/relay.ts";
import { type ProgramResponse, readResponse } from "../program/interface/response_head.ts";
import type { Soon } from "../http/short_timer.ts";

/** Says in plain digits what PAYMENT-RESPONSE says too: what the payer has left here. */
export const CREDITS_LEFT_HEADER = "Khachapuri-Credits-Left";

export interface AnswerParts {
  us: BillTerms;
  offering: { readonly offer: CreditsOffer };
  registrations: Registrations;
  receipts: Receipts;
  runs: Counter;
  usage: RunUsage;
  log: Log;
  soon: Soon;
}

/** A run in progress and what must happen when it ends. */
export interface Running {
  deployment: Deployment;
  bill: Bill;
  startedAt: number;
  run: Run;
  /** Ends the run before its time. */
  kill(): void;
  isKilled(): boolean;
  reservation: Reservation;
  body: RequestBody;
  /** Where the answer is to be kept; such a run goes on when its caller goes away. */
  claim: Claim | null;
  /** The deposit that this call brought along and that was mined for it. */
  deposited: Hex | null;
  /** Gives back slot and sandbox. */
  leave(): void;
}

/** The failures that are a program's own: they cost its payer a credit. */
const PROGRAM_CODES: ReadonlySet<ErrorCode> = new Set([
  "program_failed",
  "program_timeout",
  "program_limit",
]);

/**
 * The response to a run.
 * @throws KhachapuriError when the failure is ours; nobody was charged then
 */
export async function respond(
  parts: AnswerParts,
  form: "path" | "host",
  request: Request,
  running: Running,
): Promise<Response> {
  const end = endOnce(parts, running, request.method);
  const begun = await begin(running).catch((error) => asKhachapuriError(error));
  if (begun instanceof KhachapuriError) {
    return await respondFailure(parts, request, running, end, begun);
  }
  const { answer, first } = begun;
  const { status } = answer;
  const safe = cached(isolate(form, answer.headers));
  const own = running.bill.source === "caller" ? keepPrivate(safe) : safe;
  const headers = [...own, ...notice(parts, running)];
  const isBare = isBodiless(request, status);
  const transcript = transcribe(running, status, headers, isBare);
  const relay = createRelay({ answer, first, running, transcript, status, end });
  if (isBare) {
    while (await relay.read() !== null) { /* the caller gets the head only */ }
    return new Response(null, { status, headers });
  }
  const whole = await readShort(relay, parts.soon);
  return new Response(whole ?? streamOf(relay, running.run.record), { status, headers });
}

function isBodiless({ method }: Request, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 205 || status === 304;
}

interface Begun {
  answer: ProgramResponse;
  first: Uint8Array | null;
}

/** Up to the first byte of the answer's body, or the reason why there is no answer. */
async function begin({ run, deployment, body }: Running): Promise<Begun> {
  const answer = await readResponse(run.output, deployment.spec.interface);
  const first = await answer.read();
  // A program whose input was cut off may still say something: that is no answer.
  const overflow = body.overflow();
  if (overflow) throw overflow;
  if (answer.hasHead || first !== null) return { answer, first };
  // A program that printed nothing and failed has not answered; what it printed is its answer.
  const record = await run.record;
  if (record.limit === null && record.exit === 0) return { answer, first };
  throw programFailure(record);
}

function programFailure(record: RunRecord): KhachapuriError {
  if (record.limit === "timeout") {
    return new KhachapuriError("program_timeout", `the program took over ${record.wallMs} ms`);
  }
  if (record.limit !== null) {
    return new KhachapuriError("program_limit", `the program hit its ${record.limit} limit`, {
      data: { limit: record.limit },
    });
  }
  const how = record.signal ? `was ended by ${record.signal}` : `exited with ${record.exit}`;
  return new KhachapuriError("program_failed", `the program ${how} and printed nothing`, {
    hints: ["its owner finds what it wrote to stderr with `khachapuri logs CID`"],
  });
}

/** A failure of the program is an answer too: charged, with a receipt, kept under its key. */
async function respondFailure(
  parts: AnswerParts,
  request: Request,
  running: Running,
  end: (ending: Ending) => Promise<boolean>,
  thrown: KhachapuriError,
): Promise<Response> {
  running.kill();
  const error = running.body.overflow() ?? thrown;
  const { status, headers: plain, body } = failureOf(
    error,
    parts.offering.offer,
    new URL(request.url).pathname,
  );
  const headers = [...plain, ...notice(parts, running)];
  const isBare = request.method === "HEAD";
  const transcript = transcribe(running, status, headers, isBare);
  transcript.add(body);
  const isCharged = await end({ status, error, transcript, isWhole: true });
  if (!isCharged) throw error;
  return new Response(isBare ? null : body, { status, headers });
}

/** An owner's balance is nobody else's business: only a caller that pays itself is told. */
function notice({ us, receipts }: AnswerParts, running: Running): HeaderField[] {
  const { bill, reservation, deposited } = running;
  if (bill.source !== "caller") return [];
  const standing = reservation.standing();
  const transaction = deposited ? { transaction: deposited } : {};
  const charged = { chainId: us.chainId, payer: bill.payer, ...standing, ...transaction };
  const told: HeaderField[] = [
    [PAYMENT_RESPONSE_HEADER, toHeader(paymentResponse(charged))],
    [RECEIPT_HEADER, receipts.pathOf(reservation.id)],
    [CREDITS_LEFT_HEADER, String(standing.availableCredits)],
  ];
  const names = told.map(([name]) => name).join(", ");
  return [...told, ["access-control-expose-headers", names]];
}

/** A program that does not say what caches may do wants nothing kept. */
function cached(headers: HeaderField[]): HeaderField[] {
  const isSaid = headers.some(([name]) => name === "cache-control");
  return isSaid ? headers : [...headers, ["cache-control", "no-store"]];
}

/** What of the answer outlives it: its hash, and itself when it is to be kept and small. */
interface Transcript {
  add(chunk: Uint8Array): void;
  responseHash(): Hex;
  /** Calls `store` of the claim, if there is one. */
  keep(claim: Claim | null, reservation: number, isWhole: boolean): void;
  /** Whether it has grown too large to be kept. */
  isTooLarge(): boolean;
}

function transcribe(
  { bill, claim }: Running,
  status: number,
  headers: HeaderField[],
  isBare: boolean,
): Transcript {
  const digest = bill.source === "caller" ? createHash("sha256") : null;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const isTooLarge = () => bytes > IDEMPOTENCY_ANSWER_BYTES_MAX;
  return {
    isTooLarge,
    add(chunk) {
      if (isBare) return;
      digest?.update(chunk);
      if (!claim) return;
      bytes += chunk.length;
      if (isTooLarge()) chunks.length = 0;
      else chunks.push(new Uint8Array(chunk));
    },
    responseHash: () => `0x${digest!.digest("hex")}`,
    keep(claim, reservation, isWhole) {
      if (!claim) return;
      const why = !isWhole
        ? "it was cut short"
        : `it was larger than ${IDEMPOTENCY_ANSWER_BYTES_MAX} bytes`;
      if (!isWhole || isTooLarge()) return claim.store({ why }, reservation);
      const body = new Uint8Array(Buffer.concat(chunks));
      claim.store({ status, headers, body }, reservation);
    },
  };
}

interface RelayParts {
  answer: ProgramResponse;
  first: Uint8Array | null;
  running: Running;
  transcript: Transcript;
  status: number;
  end(ending: Ending): Promise<boolean>;
}

function createRelay(parts: RelayParts): Relay {
  const { answer, running, transcript, status, end } = parts;
  let first = parts.first;
  let again: Uint8Array[] = [];
  let pending: Promise<Uint8Array | null> | null = null;

  async function readOn(): Promise<Uint8Array | null> {
    try {
      const chunk = first ?? await answer.read();
      first = null;
      if (chunk) transcript.add(chunk);
      else await end({ status, error: null, transcript, isWhole: true });
      return chunk;
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      await end({ status, error, transcript, isWhole: false });
      throw error;
    }
  }

  async function read(): Promise<Uint8Array | null> {
    const chunk = again.shift();
    if (chunk) return chunk;
    const waiting = pending;
    pending = null;
    return await (waiting ?? readOn());
  }

  /** A caller that went away may ask again under its key, so its answer is finished without it. */
  async function finish(): Promise<void> {
    try {
      while (!transcript.isTooLarge() && await read() !== null);
    } catch { /* the run's end is on the books */ }
  }

  return {
    isComplete: () => running.run.output.isComplete() && running.body.isWhole(),
    read,
    putBack(chunks, waiting) {
      again = chunks;
      pending = waiting;
      // Whoever reads on is told; a caller that is gone does not.
      pending?.catch(() => {});
    },
    async cancel() {
      if (running.claim) await finish();
      running.kill();
      await answer.cancel();
      await end({ status, error: null, transcript, isWhole: false });
    },
  };
}

interface Ending {
  /** What the caller was answered. */
  status: number;
  /** Why there is no answer, or half of one; null when it is whole, or the caller left. */
  error: KhachapuriError | null;
  transcript: Transcript;
  /** Whether all of the answer went out. */
  isWhole: boolean;
}

/** Ends a run's accounts exactly once; tells whether it was charged. */
function endOnce(parts: AnswerParts, running: Running, method: string) {
  let ended: Promise<boolean> | null = null;
  return (ending: Ending): Promise<boolean> => ended ??= conclude(parts, running, method, ending);
}

/** Charge or release, log, slot and sandbox back. */
async function conclude(
  parts: AnswerParts,
  running: Running,
  method: string,
  ending: Ending,
): Promise<boolean> {
  const { reservation, claim, bill, body, startedAt } = running;
  const record = await running.run.record.catch((error) => asKhachapuriError(error));
  running.leave();
  try {
    const fault = record instanceof KhachapuriError
      ? record.code
      : ourFault(running, record, ending);
    if (!(record instanceof KhachapuriError)) logRun(parts, running, record, method, ending.status);
    const paidBy = bill.source;
    if (fault !== null || record instanceof KhachapuriError) {
      parts.runs.add({ paid_by: paidBy, outcome: "released" });
      reservation.release(fault ?? "internal");
      return false;
    }
    const outcome = outcomeOf(record);
    parts.runs.add({ paid_by: paidBy, outcome });
    if (bill.source === "owner") await reservation.charge(outcome);
    else {
      const requestHash = await body.hash();
      const responseHash = ending.transcript.responseHash();
      const durationMs = Math.round(record.wallMs);
      ending.transcript.keep(claim, reservation.id, ending.isWhole);
      await reservation.charge(outcome, { requestHash, responseHash, startedAt, durationMs });
    }
    return true;
  } finally {
    claim?.end();
  }
}

/** Why a started run costs nothing; null when it is to be charged. */
function ourFault(running: Running, record: RunRecord, ending: Ending): string | null {
  const { error } = ending;
  // The program has worked on the body until it was too much. A caller that says its length is
  // refused before, for free.
  if (running.body.overflow()) return null;
  // Killed, and not because the caller went away: the provider is shutting down.
  if (record.limit === "aborted" && !running.isKilled()) return "shutdown";
  return error && !PROGRAM_CODES.has(error.code) ? error.code : null;
}

function outcomeOf(record: RunRecord): Outcome {
  if (record.limit === "timeout") return "timeout";
  if (record.limit === "aborted") return "aborted";
  if (record.limit !== null) return "limit";
  return record.exit === 0 ? "answered" : "failed";
}

function logRun(
  parts: AnswerParts,
  { deployment: { cid }, startedAt }: Running,
  record: RunRecord,
  method: string,
  status: number,
): void {
  const { stderr: bytes, ...facts } = record;
  const stderr = bytes.length === 0 ? "" : new TextDecoder().decode(bytes);
  parts.registrations.log(cid, { at: startedAt, method, status, ...facts, stderr });
  parts.log.debug("run ended", { cid, status, ...facts });
  parts.usage.note(record);
}

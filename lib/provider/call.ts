/**
 * One call: who pays, may it run, take the credit, run, answer, charge. Everything that can refuse
 * comes before the credit; once the program has started, its run costs one credit unless the
 * failure is ours.
 */
import type { Run, RunRecord } from "../../sandbox/sandbox.ts";
import { KhachapuriError } from "../errors.ts";
import {
  REQUEST_BODY_BYTES_MAX,
  REQUEST_HEADER_BYTES_MAX,
  REQUEST_TARGET_BYTES_MAX,
} from "../limits.ts";
import type { Log } from "../log.ts";
import { PAYMENT_RESPONSE_HEADER, paymentResponse, toHeader } from "../payment_header.ts";
import { type Bill, billOf, type BillTerms } from "./bill.ts";
import type { Credits, Reservation } from "./credits.ts";
import { curlInvocation } from "./curl.ts";
import type { Deployment, Deployments } from "./deployments.ts";
import type { Outcome } from "./journal.ts";
import { isolate, type Target } from "./origin.ts";
import type { Registrations } from "./registrations.ts";
import { type ProgramResponse, readResponse } from "./response_head.ts";
import type { Lease, Sandboxes } from "./sandboxes.ts";
import type { Slot, Slots } from "./slots.ts";

export interface CallParts {
  us: BillTerms;
  /** What callers know us by, e.g. `https://provider.example`. */
  webDomain: URL;
  deployments: Deployments;
  credits: Credits;
  slots: Slots;
  sandboxes: Sandboxes;
  registrations: Registrations;
  log: Log;
  now: () => number;
}

export interface Caller {
  address: string;
}

type DeploymentTarget = Extract<Target, { form: "path" | "host" }>;

/** A run in progress and what must happen when it ends. */
interface Running {
  deployment: Deployment;
  bill: Bill;
  method: string;
  startedAt: number;
  run: Run;
  abort: AbortController;
  reservation: Reservation;
  /** Gives back slot and sandbox. */
  leave(): void;
  body: MeteredBody;
}

/**
 * Answers a call to a deployment.
 * @throws KhachapuriError for everything that is not the program's answer; nobody was charged
 * unless the error's code is one of `program_failed`, `program_timeout`, `program_limit`
 */
export async function handleCall(
  parts: CallParts,
  target: DeploymentTarget,
  request: Request,
  caller: Caller,
): Promise<Response> {
  assertSizes(request);
  const deployment = await parts.deployments.get(target.cid);
  const bill = billOf(parts.us, deployment, request.headers);
  await parts.credits.assertPayable(bill);
  const slot = parts.slots.take(deployment, bill);
  let running: Running;
  try {
    running = await start(parts, target, request, caller, { deployment, bill, slot });
  } catch (error) {
    slot.undo();
    throw error;
  }
  return await respond(parts, target, request, running);
}

interface Admitted {
  deployment: Deployment;
  bill: Bill;
  slot: Slot;
}

/** Program and sandbox ready first, then the credit, then the run: our failures cost nothing. */
async function start(
  parts: CallParts,
  target: DeploymentTarget,
  request: Request,
  caller: Caller,
  { deployment, bill, slot }: Admitted,
): Promise<Running> {
  const lease = await parts.sandboxes.acquire(deployment);
  let reservation: Reservation | null = null;
  try {
    reservation = await parts.credits.reserve(bill);
    parts.registrations.add(deployment);
    if (request.signal.aborted) throw hungUp();
    const abort = new AbortController();
    request.signal.addEventListener("abort", () => abort.abort(), { once: true });
    const body = meter(request, abort);
    const run = await lease.sandbox.run({
      ...invocation(parts, target, request, caller, deployment),
      stdin: body.stream,
      signal: abort.signal,
    });
    const method = request.method;
    const leave = leaver(slot, lease);
    const startedAt = parts.now();
    return { deployment, bill, method, startedAt, run, abort, reservation, leave, body };
  } catch (error) {
    lease.release();
    await reservation?.release(error instanceof KhachapuriError ? error.code : "internal");
    throw error;
  }
}

function leaver(slot: Slot, lease: Lease): () => void {
  return () => {
    slot.free();
    lease.release();
  };
}

function invocation(
  { webDomain }: CallParts,
  target: DeploymentTarget,
  request: Request,
  caller: Caller,
  deployment: Deployment,
) {
  const { spec, cid } = deployment;
  const { search } = new URL(request.url);
  const base = new URL(webDomain);
  if (target.form === "host") base.hostname = `${cid}.${base.hostname}`;
  const mount = target.form === "host" ? "" : `/${cid}`;
  const { args, env } = curlInvocation({
    method: request.method,
    base,
    mount,
    path: target.path,
    query: search.slice(1),
    headers: request.headers,
    hasBody: request.body !== null,
    remoteAddress: caller.address,
    style: spec.interface,
  });
  return {
    argv: [spec.program.entrypoint, ...spec.program.args, ...args],
    env: { ...spec.env, ...env },
  };
}

async function respond(
  parts: CallParts,
  target: DeploymentTarget,
  request: Request,
  running: Running,
): Promise<Response> {
  const conclude = concludeOnce(parts, running);
  let answer: ProgramResponse;
  let first: Uint8Array | null;
  const reader = await readResponse(running.run.stdout, running.deployment.spec.interface)
    .then(async (parsed) => {
      answer = parsed;
      const reader = parsed.body.getReader();
      first = (await reader.read()).value ?? null;
      // A program whose input was cut off may still say something: that is no answer.
      if (running.body.overflow) throw running.body.overflow;
      await assertAnswered(running, parsed, first);
      return reader;
    })
    .catch(async (error) => {
      running.abort.abort();
      await conclude(0);
      throw running.body.overflow ?? error;
    });
  const headers = isolate(target.form, answer!.headers);
  headers.set("cache-control", headers.get("cache-control") ?? "no-store");
  notice(headers, parts, running);
  const { status } = answer!;
  const stream = relay(reader, first!, running, () => conclude(status));
  if (request.method === "HEAD" || status === 204 || status === 205 || status === 304) {
    await drain(stream);
    return new Response(null, { status, headers });
  }
  return new Response(stream, { status, headers });
}

/** A program that printed nothing and failed has not answered; what it printed is its answer. */
async function assertAnswered(
  { run }: Running,
  answer: ProgramResponse,
  first: Uint8Array | null,
): Promise<void> {
  if (answer.hasHead || first !== null) return;
  const record = await run.record;
  if (record.limit === null && record.exit === 0) return;
  throw failureOf(record);
}

/** The program's output, chunk by chunk; the charge is on disk before the stream closes. */
function relay(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  first: Uint8Array | null,
  running: Running,
  conclude: () => Promise<void>,
): ReadableStream<Uint8Array> {
  let next = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const chunk = next ?? (await reader.read()).value;
        next = null;
        if (chunk) return controller.enqueue(chunk);
        await conclude();
        controller.close();
      } catch (error) {
        await conclude();
        controller.error(error);
      }
    },
    async cancel() {
      running.abort.abort();
      await reader.cancel().catch(() => {});
      await conclude();
    },
  }, { highWaterMark: 0 });
}

/** Ends a run's accounts exactly once: charge or release, log, slot and sandbox back. */
function concludeOnce(parts: CallParts, running: Running): (status: number) => Promise<void> {
  let concluded: Promise<void> | null = null;
  async function conclude(status: number): Promise<void> {
    const record = await running.run.record.catch(async (error) => {
      // The sandbox failed, not the program.
      running.leave();
      await running.reservation.release("sandbox_unavailable");
      throw error;
    });
    running.leave();
    logRun(parts, running, record, status);
    const ours = ourFault(running, record, status);
    if (ours) await running.reservation.release(ours);
    else await running.reservation.charge(outcomeOf(record));
  }
  return (status) => concluded ??= conclude(status);
}

/** Why a started run costs nothing; null when it is to be charged. */
function ourFault(running: Running, record: RunRecord, status: number): string | null {
  // Killed, and not because the caller went away: the provider is shutting down.
  if (record.limit === "aborted" && !running.abort.signal.aborted) return "shutdown";
  // Nothing has been answered yet: the caller gets a 413 in place of an answer.
  if (running.body.overflow && status === 0) return "body_too_large";
  return null;
}

function outcomeOf(record: RunRecord): Outcome {
  if (record.limit === "timeout") return "timeout";
  if (record.limit === "aborted") return "aborted";
  if (record.limit !== null) return "limit";
  return record.exit === 0 ? "answered" : "failed";
}

function failureOf(record: RunRecord): KhachapuriError {
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

function logRun(parts: CallParts, running: Running, record: RunRecord, status: number): void {
  const { deployment, method } = running;
  const { exit, signal, limit, wallMs } = record;
  const stderr = new TextDecoder().decode(record.stderr);
  const at = running.startedAt;
  parts.registrations.log(deployment.cid, {
    at,
    method,
    status,
    exit,
    signal,
    limit,
    wallMs,
    stderr,
  });
  parts.log.debug("run ended", { cid: deployment.cid, status, exit, signal, limit, wallMs });
}

/** An owner's balance is nobody else's business: only a caller that pays itself is told. */
function notice(headers: Headers, { us }: CallParts, { bill, reservation }: Running): void {
  if (bill.source !== "caller") return;
  const { payer } = bill;
  const charged = { chainId: us.chainId, payer, ...reservation.standing() };
  headers.set(PAYMENT_RESPONSE_HEADER, toHeader(paymentResponse(charged)));
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of stream) { /* the caller wants the head only */ }
}

interface MeteredBody {
  readonly stream: ReadableStream<Uint8Array> | null;
  /** Set once more than the limit has come in. */
  readonly overflow: KhachapuriError | null;
}

/** Bounds a body that does not say its length; the run ends with it. */
function meter(request: Request, abort: AbortController): MeteredBody {
  let overflow: KhachapuriError | null = null;
  let bytes = 0;
  const counted = request.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        if (bytes <= REQUEST_BODY_BYTES_MAX) return controller.enqueue(chunk);
        overflow = bodyTooLarge();
        abort.abort();
        controller.error(overflow);
      },
    }),
  );
  return {
    stream: counted ?? null,
    get overflow() {
      return overflow;
    },
  };
}

/** @throws KhachapuriError `body_too_large`, `headers_too_large`, `invalid_input` */
function assertSizes({ headers, url }: Request): void {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.length + value.length + 4;
  if (bytes > REQUEST_HEADER_BYTES_MAX) {
    const limit = `request headers have at most ${REQUEST_HEADER_BYTES_MAX} bytes`;
    throw new KhachapuriError("headers_too_large", limit);
  }
  if (url.length > REQUEST_TARGET_BYTES_MAX) {
    const limit = `a request's URL has at most ${REQUEST_TARGET_BYTES_MAX} bytes`;
    throw new KhachapuriError("headers_too_large", limit);
  }
  if (Number(headers.get("content-length") ?? 0) > REQUEST_BODY_BYTES_MAX) throw bodyTooLarge();
}

function bodyTooLarge(): KhachapuriError {
  const limit = `a request body has at most ${REQUEST_BODY_BYTES_MAX} bytes`;
  return new KhachapuriError("body_too_large", limit, { data: { limit: REQUEST_BODY_BYTES_MAX } });
}

function hungUp(): KhachapuriError {
  return new KhachapuriError("invalid_input", "the caller hung up before the program started");
}

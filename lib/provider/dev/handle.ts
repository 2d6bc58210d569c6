/** Has each request answered by the program as it is now, as a provider would, and told. */
import type { Address } from "viem";
import type { RunRequest, Sandbox } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, type KhachapuriError } from "../../errors.ts";
import {
  BUFFERED_BODY_BYTES_MAX,
  DEPLOYMENT_CONCURRENCY_MAX,
  REQUEST_BYTES_DEFAULT,
  SPEC_CREDITS_MAX,
} from "../../limits.ts";
import type { Log } from "../../log.ts";
import { handleCall } from "../call/handle.ts";
import { SqliteIdempotency } from "../call/sqlite_idempotency.ts";
import type { CallGate, CallMoney, CallParts, CallRecords } from "../call/parts.ts";
import { Slots } from "../call/slots.ts";
import { EVERYBODY } from "../denial/welcome.ts";
import { isPreflight, preflightAnswer, readable } from "../http/cors.ts";
import { failureOf } from "../http/failure.ts";
import { createBodyReader } from "../http/request_body.ts";
import type { Answer, AnswerTunnel, Handle, HttpRequest } from "../http/request.ts";
import { createCounter } from "../metrics/metrics.ts";
import type { Place } from "../program/detector.ts";
import { HeldPlace } from "../program/held_place.ts";
import type { ProgramPlace } from "../program/interface/interface.ts";
import type { Lease } from "../program/sandboxes.ts";
import type { SeatWait } from "../server/life.ts";
import type { Ear } from "./ears.ts";
import { playedScheme } from "./played_scheme.ts";
import type { ProgramVersion } from "./program.ts";
import type { Taken, Versions } from "./versions.ts";
import { assertWelcome } from "./visitors.ts";

/** A request that was answered, to its end. */
export interface ServedRequest {
  /** When it came, Unix ms. */
  readonly at: number;
  readonly method: string;
  /** Its path, with its query, as sent. */
  readonly target: string;
  readonly status: number;
  readonly ms: number;
  /** Of the answer's body. */
  readonly bytes: number;
  /** What was wrong, in words; null when nothing was. */
  readonly reason: string | null;
}

/** A WebSocket, or whatever its program switched to, that is over. */
export interface ClosedTunnel extends Pick<ServedRequest, "at" | "method" | "target" | "reason"> {
  /** From the request on. */
  readonly ms: number;
  /** From its caller. */
  readonly inBytes: number;
  /** To its caller. */
  readonly outBytes: number;
}

export interface DevListener {
  onServed(served: ServedRequest): void;
  /** What a request with status 101 led to is over. */
  onTunnelClosed(closed: ClosedTunnel): void;
  /** Something came that is no request, and was refused. */
  onUnread(error: KhachapuriError): void;
  /** A run begins, or an instance of a server. */
  onRun(): Ear;
}

export interface DevHandleOptions extends DevListener {
  readonly versions: Pick<Versions<ProgramVersion>, "take">;
  readonly place: Place;
  /** Whose permit each request seems to bring; null: the owner pays. */
  readonly payer: Address | null;
  /** Hosts that are answered beside this machine's own names. */
  readonly allowedHosts: readonly string[];
  /** What callers know us by where a request does not say it. */
  readonly origin: () => URL;
  readonly log: Log;
}

export interface DevHandle extends Disposable {
  readonly handle: Handle;
}

/** A provider's calls, without its chain, its accounts and its limits of strangers. */
export function createDevHandle(options: DevHandleOptions): DevHandle {
  const money: CallMoney = {
    schemes: [playedScheme(options.payer)],
    startDebits: { of: () => null },
  };
  const idempotency = new SqliteIdempotency({
    path: ":memory:",
    wasCharged: () => true,
    now: Date.now,
  });
  const gate: CallGate = {
    slots: new Slots(DEPLOYMENT_CONCURRENCY_MAX),
    idempotency,
    requestBytes: REQUEST_BYTES_DEFAULT,
    welcome: EVERYBODY,
    readBody: createBodyReader({
      heldBytesMax: BUFFERED_BODY_BYTES_MAX,
      bytesMax: REQUEST_BYTES_DEFAULT,
    }),
  };
  return {
    handle: (request) => serve({ ...options, money, gate }, request),
    [Symbol.dispose]() {
      idempotency.close();
    },
  };
}

interface Parts extends DevHandleOptions {
  readonly money: CallMoney;
  readonly gate: CallGate;
}

/** What becomes known of a request while it is served. */
interface Told {
  reason: string | null;
}

async function serve(parts: Parts, request: HttpRequest): Promise<Answer> {
  const at = Date.now();
  const from = performance.now();
  const told: Told = { reason: null };
  const answer = await answerOf(parts, request, told).catch((thrown) =>
    failed(parts, told, asKhachapuriError(thrown))
  );
  const { method, path, query } = request;
  const target = query === null ? path : `${path}?${query}`;
  const whole = counted(request, answer, (bytes, isCut) => {
    // By its caller, by a limit, or by the end of all.
    if (isCut) told.reason ??= "cut off";
    const ms = performance.now() - from;
    parts.onServed({ at, method, target, status: answer.status, ms, bytes, ...told });
  });
  if (!whole.tunnel) return whole;
  const tunnel = countedTunnel(whole.tunnel, (inBytes, outBytes) => {
    const ms = performance.now() - from;
    parts.onTunnelClosed({ at, method, target, ms, inBytes, outBytes, ...told });
  });
  return { ...whole, tunnel };
}

async function answerOf(parts: Parts, request: HttpRequest, told: Told): Promise<Answer> {
  assertWelcome(request, parts.allowedHosts);
  if (isPreflight(request.method, request.fields)) return readable(preflightAnswer(request.fields));
  const taken = await parts.versions.take();
  const { cid } = taken.version.deployment;
  const target = { form: "root", cid, mount: "", path: request.path } as const;
  try {
    return await handleCall(callParts(parts, taken, told), target, request);
  } catch (error) {
    // A call that came to nothing may not have had its lease yet.
    taken.release();
    throw error;
  }
}

function failed({ log }: Parts, told: Told, error: KhachapuriError): Answer {
  if (error.code === "internal") log.error("request failed", { error });
  told.reason ??= error.shortMessage;
  return failureOf(error);
}

/** What one call is made with: this version, and records that are told at its end. */
function callParts(parts: Parts, taken: Taken<ProgramVersion>, told: Told): CallParts {
  const { money, gate, origin, place } = parts;
  const { deployment } = taken.version;
  return {
    money,
    gate,
    programs: {
      deployments: { get: () => Promise.resolve(deployment) },
      sandboxes: {
        // Async, so that what it throws is a rejection.
        // deno-lint-ignore require-await
        acquire: async () => lease(parts, taken),
        isOpen: () => true,
        isClosed: () => false,
      },
      place,
      creditsMax: SPEC_CREDITS_MAX,
      webDomain: origin(),
    },
    records: recordsOf(parts, told),
  };
}

function lease(parts: Parts, { version, release }: Taken<ProgramVersion>): Lease {
  const fetchedAt = performance.now();
  const { workplace } = version;
  const place = new HeldPlace({ take: () => heardAt(parts, workplace.take()) });
  const leaveBoth = () => {
    place.leave();
    release();
  };
  return { take: () => place.take(), fetchedAt, isExpelled: () => false, release: leaveBoth };
}

/** What a server prints is no request's, and is heard all the time. */
function heardAt<P extends ProgramPlace | SeatWait>(parts: Parts, place: P): P {
  if (!("run" in place)) return place;
  return { ...place, run: (request) => runHeard(parts, place, request) };
}

async function runHeard({ onRun }: Parts, sandbox: Sandbox, request: RunRequest) {
  const ear = onRun();
  const run = await sandbox.run({ ...request, onStderr: (bytes) => ear.hear(bytes) })
    .catch((error) => {
      ear.close();
      throw error;
    });
  const close = () => ear.close();
  run.record.then(close, close);
  return run;
}

function recordsOf({ log }: Parts, told: Told): CallRecords {
  return {
    registrations: { add: () => {} },
    runLog: {
      add(_cid, { reason, exit, signal }) {
        const ending = signal !== null ? `ended by ${signal}` : exit === 0 ? null : `exit ${exit}`;
        told.reason = reason ?? ending;
      },
    },
    stops: { has: () => false },
    credits: createCounter("khachapuri_dev_credits_total", "Credits of runs."),
    runs: createCounter("khachapuri_dev_runs_total", "Runs by their ends."),
    usage: { note: () => {} },
    log,
    now: Date.now,
  };
}

/** Tells `end`, once, how many bytes of body the answer had, and whether there should be more. */
function counted(
  { method }: HttpRequest,
  answer: Answer,
  end: (bytes: number, isCut: boolean) => void,
): Answer {
  const { body } = answer;
  if (body === null || body instanceof Uint8Array) {
    end(method === "HEAD" ? 0 : body?.length ?? 0, false);
    return answer;
  }
  let bytes = 0;
  let isOver = false;
  const over = (isCut: boolean) => {
    if (!isOver) end(bytes, isCut);
    isOver = true;
  };
  return {
    ...answer,
    body: {
      ended: body.ended,
      sent: (chunk) => body.sent?.(chunk),
      async read() {
        try {
          const chunk = await body.read();
          if (chunk === null) over(false);
          bytes += chunk?.length ?? 0;
          return chunk;
        } catch (error) {
          over(true);
          throw error;
        }
      },
      async cancel() {
        await body.cancel();
        over(method !== "HEAD");
      },
    },
  };
}

/** Tells `end`, once its run and its accounts are over, how many bytes went in and out. */
function countedTunnel(
  tunnel: AnswerTunnel,
  end: (inBytes: number, outBytes: number) => void,
): AnswerTunnel {
  let inBytes = 0;
  let outBytes = 0;
  const over = () => end(inBytes, outBytes);
  tunnel.ended.then(over, over);
  return {
    ended: tunnel.ended,
    async read() {
      const bytes = await tunnel.read();
      outBytes += bytes?.length ?? 0;
      return bytes;
    },
    async write(bytes) {
      await tunnel.write(bytes);
      inBytes += bytes.length;
    },
    close: () => tunnel.close(),
  };
}

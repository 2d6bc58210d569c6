/**
 * From a started run to the caller's answer. The program's output goes out as it comes; the charge
 * is committed before the last byte goes.
 */
import type { RunRecord } from "../../../sandbox/sandbox.ts";
import { free } from "../../byte_source.ts";
import { CREDITS_HEADER, CREDITS_MAX_HEADER } from "../../credits_headers.ts";
import { asKhachapuriError, isProgramsOwn, KhachapuriError } from "../../errors.ts";
import { failureOf } from "../http/failure.ts";
import type { HeaderField } from "../http/header_rules.ts";
import { isolate, keepPrivate } from "../http/isolation.ts";
import { readShort, type Relay } from "../http/relay.ts";
import type { Answer } from "../http/request.ts";
import { passedTrailers, takesTrailers } from "../http/trailers.ts";
import type { Tunnel } from "../http/tunnel.ts";
import type { Place } from "../program/detector.ts";
import { diagnose } from "../program/diagnosis.ts";
import type { ProgramResponse, ProgramRun } from "../program/interface/interface.ts";
import { Account } from "./account.ts";
import type { Call, Started } from "./call.ts";
import type { Claim } from "./idempotency.ts";
import { RunTunnel } from "./run_tunnel.ts";
import { Transcript } from "./transcript.ts";

/**
 * The response to a run.
 * @param claim where the answer is to be kept; such a run goes on when its caller goes away
 * @throws KhachapuriError when the failure is ours, and nobody was charged; also when a limit ends
 * a short answer in its middle, which is charged
 */
export async function answerRun(
  call: Call,
  started: Started,
  claim: Claim | null,
): Promise<Answer> {
  const account = new Account(call, started, claim);
  const begun = await begin(call, started).catch((error) => asKhachapuriError(error));
  if (begun instanceof KhachapuriError) {
    return await answerFailure(call, started, claim, account, begun);
  }
  const { response, first, headers } = begun;
  const { status, bodyBytes = null, tunnel } = response;
  if (tunnel) return await answerTunnel(call, started, account, { tunnel, headers });
  const isBodiless = hasNoBody(call.arrival.request.method, status);
  const transcript = transcribe(call, claim, status, headers, isBodiless);
  const relay = new OutputRelay({ call, started, claim, account, response, first, transcript });
  if (isBodiless) {
    while (await relay.read() !== null) { /* the caller gets the head only */ }
    const told = status === 204 || status === 205 ? null : bodyBytes;
    return await timed(call, started, { status, headers, body: null, bodyBytes: told });
  }
  const trailers = trailersOf(call, response);
  const whole = trailers ? null : await readShort(relay);
  if (whole === null) relay.stream();
  const answer = { status, headers, body: whole ?? relay, bodyBytes };
  return await timed(call, started, trailers ? { ...answer, trailers } : answer);
}

/** What the caller will get behind the body; undefined where it gets nothing for sure. */
function trailersOf(
  { arrival: { request } }: Call,
  response: ProgramResponse,
): (() => HeaderField[]) | undefined {
  const isFramed = (response.bodyBytes ?? null) !== null;
  if (isFramed || !response.trailers || !takesTrailers(request)) return undefined;
  return () => passedTrailers(response.trailers!());
}

/**
 * The program has agreed to a handshake. Its accounts end with its run; until then it takes credits
 * as any run does, and no slot.
 */
async function answerTunnel(
  call: Call,
  started: Started,
  account: Account,
  { tunnel, headers }: { tunnel: Tunnel; headers: HeaderField[] },
): Promise<Answer> {
  const status = 101;
  call.freeSlot();
  const transcript = transcribe(call, null, status, headers, true);
  const accounts = account.end({
    status,
    error: null,
    beginning: null,
    transcript,
    isWhole: true,
  });
  const ended = Promise.all([endOf(started), accounts]);
  ended.catch(() => {}); // Whoever asks for it is told.
  const joined = new RunTunnel(call, started, tunnel, ended);
  return await timed(call, started, { status, headers, body: null, tunnel: joined });
}

interface Begun {
  response: ProgramResponse;
  first: Uint8Array | null;
  headers: HeaderField[];
}

/** Up to the first byte of the answer's body, or the reason why there is no answer. */
async function begin(call: Call, started: Started): Promise<Begun> {
  const { run, body } = started;
  const response = await run.respond();
  const first = response.tunnel ? null : await response.read();
  // A program whose input was cut off may still say something: that is no answer.
  const failure = body.failure();
  if (failure) throw failure;
  if (!response.hasHead && first === null) await assertEnded(run, call.parts.programs.place);
  const notice = await noticeOf(call, started);
  return { response, first, headers: [...safeFields(call, response), ...notice] };
}

/** The paid time was over: why there was no more of it is said with it. */
function withoutCredit({ paidTime }: Started, error: KhachapuriError): KhachapuriError {
  const refusal = paidTime?.refusal() ?? null;
  if (error.code !== "program_timeout" || refusal === null) return error;
  const why = `no further credit was to be had: ${refusal.shortMessage}`;
  return error.toldWith({
    message: `${error.shortMessage}; ${why}`,
    hints: [...error.hints, ...refusal.hints],
  });
}

/** A program that printed nothing and failed has not answered; what it printed is its answer. */
async function assertEnded(run: ProgramRun, place: Place): Promise<void> {
  const record = await run.record;
  if (record.limit !== null || record.exit !== 0) throw programFailure(record, place);
}

/** A failure with what its run left behind to tell of it. */
async function explained(
  call: Call,
  { run }: Started,
  error: KhachapuriError,
): Promise<KhachapuriError> {
  // The run is over when there is no answer, but not when what it prints is none.
  if (!run.isComplete() || !isProgramsOwn(error)) return error;
  const record = await run.record.catch(() => null);
  if (!record) return error;
  const { interface: style, egress: mayCall } = call.deployment.spec;
  const answerFault = error.shortMessage;
  const { place } = call.parts.programs;
  const found = diagnose({
    record,
    interface: style,
    mayCall,
    place,
    beginning: null,
    answerFault,
  });
  if (!found) return error;
  return error.toldWith({ message: `${answerFault}: ${found.short}` });
}

function programFailure(record: RunRecord, { command }: Place): KhachapuriError {
  if (record.limit === "timeout") {
    return new KhachapuriError(
      "program_timeout",
      `the program took over ${Math.round(record.wallMs)} ms`,
    );
  }
  if (record.limit !== null) {
    return new KhachapuriError("program_limit", `the program hit its ${record.limit} limit`, {
      data: { limit: record.limit },
    });
  }
  const how = record.signal ? `was ended by ${record.signal}` : `exited with ${record.exit}`;
  return new KhachapuriError("program_failed", `the program ${how} and printed nothing`, {
    hints: [
      command === "deploy"
        ? "its owner finds what it wrote to stderr with `khachapuri logs CID`"
        : `the terminal of ${command} shows what it wrote to stderr`,
    ],
  });
}

/** The program's header fields, made safe. */
function safeFields({ arrival, bill }: Call, { headers }: ProgramResponse): HeaderField[] {
  const safe = isolate(arrival.target.form, headers);
  // Where a program does not say what caches may do, nothing is to be kept.
  const isSaid = safe.some(([name]) => name === "cache-control");
  if (!isSaid) safe.push(["cache-control", "no-store"]);
  return bill.source === "caller" ? keepPrivate(safe) : safe;
}

/** What the payer is told of its money; of a run that may take several credits also how many. */
async function noticeOf(call: Call, { run, hold, paidTime }: Started): Promise<HeaderField[]> {
  const { bill, creditsMax } = call;
  // While the head waits for its money, a run that is over keeps nobody else from running.
  if (!hold.isPaid) run.record.then(() => call.freeSlot(), () => {});
  const notice = await hold.notice();
  call.notePaid();
  if (paidTime === null || bill.source !== "caller") return notice;
  const soFar: HeaderField[] = [
    [CREDITS_HEADER, String(hold.credits)],
    [CREDITS_MAX_HEADER, String(creditsMax)],
    ["access-control-expose-headers", `${CREDITS_HEADER}, ${CREDITS_MAX_HEADER}`],
  ];
  return [...notice, ...soFar];
}

/** RFC 9110 section 6.4.1. */
function hasNoBody(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 205 || status === 304;
}

/** A failure of the program is an answer too: charged, with a receipt, kept under its key. */
async function answerFailure(
  call: Call,
  started: Started,
  claim: Claim | null,
  account: Account,
  thrown: KhachapuriError,
): Promise<Answer> {
  call.kill();
  const { request } = call.arrival;
  const notice = await noticeOf(call, started).catch((error) => asKhachapuriError(error));
  if (notice instanceof KhachapuriError) return await answerUnpaid(call, account, notice);
  const error = started.body.failure() ?? thrown;
  const told = await explained(call, started, withoutCredit(started, error));
  const failure = failureOf(told);
  const { status, body } = failure;
  const headers = [...failure.headers, ...notice];
  const isBodiless = request.method === "HEAD";
  const transcript = transcribe(call, claim, status, headers, isBodiless);
  transcript.add(body);
  const isCharged = await account.end({
    status,
    error,
    beginning: null,
    transcript,
    isWhole: true,
  });
  if (!isCharged) throw withOwed(started, error);
  return await timed(call, started, { status, headers, body: isBodiless ? null : body });
}

/** The failure is ours, and money that came already is good for another try. */
function withOwed({ hold: { owed } }: Started, error: KhachapuriError): KhachapuriError {
  if (owed === undefined) return error;
  const hints = error.hints.filter((hint) => !hint.startsWith("nothing was charged"));
  return error.toldWith({ hints: [owed, ...hints] });
}

/** The money did not come: whatever the run came to is nobody's, and free. */
async function answerUnpaid(call: Call, account: Account, why: KhachapuriError): Promise<never> {
  const transcript = transcribe(call, null, why.status, [], true);
  const ending = { status: why.status, error: why, beginning: null, transcript, isWhole: false };
  await account.end(ending);
  throw why;
}

/** The answer with where its time went; that is of this one call, and not kept under a key. */
async function timed({ timing }: Call, { run }: Started, answer: Answer): Promise<Answer> {
  if (!timing) return answer;
  const hasEnded = !answer.tunnel && (answer.body === null || answer.body instanceof Uint8Array);
  const wallMs = hasEnded ? (await run.record).wallMs : null;
  return { ...answer, headers: [...answer.headers, ...timing.fields(wallMs)] };
}

function transcribe(
  { bill }: Call,
  claim: Claim | null,
  status: number,
  headers: HeaderField[],
  isBodiless: boolean,
): Transcript {
  const isHashed = bill.source === "caller";
  return new Transcript({ status, headers, isHashed, isBodiless, claim });
}

interface RelayParts {
  call: Call;
  started: Started;
  claim: Claim | null;
  account: Account;
  response: ProgramResponse;
  /** The body's first chunk, which has been read; null when there is none. */
  first: Uint8Array | null;
  transcript: Transcript;
}

/** The answer's body, read from the program; its end is told once the accounts have ended. */
class OutputRelay implements Relay {
  #first: Uint8Array | null;
  /** What is to be read again. */
  #again: Uint8Array[] = [];
  /** Rejects when its caller is too slow to be waited for; null while it is not waited for. */
  #lost: Promise<never> | null = null;

  constructor(private readonly parts: RelayParts) {
    this.#first = parts.first;
  }

  /** From now on its caller may be waited for. */
  stream(): void {
    const { promise, reject } = Promise.withResolvers<never>();
    promise.catch(() => {}); // Whoever asks for the end is told.
    this.#lost = promise;
    this.parts.started.uptake.watch(reject);
  }

  get ended(): Promise<void> {
    const end = endOf(this.parts.started);
    return this.#lost ? Promise.race([end, this.#lost]) : end;
  }

  isComplete(): boolean {
    const { run, body } = this.parts.started;
    return run.isComplete() && body.isWhole();
  }

  async read(): Promise<Uint8Array | null> {
    const { uptake } = this.parts.started;
    uptake.take();
    const chunk = this.#again.shift() ?? await this.#readOn();
    if (chunk) uptake.hand(chunk.length);
    return chunk;
  }

  sent(chunk: Uint8Array): void {
    // The first one tells the owner what a program that failed has said.
    if (chunk !== this.parts.first) free(chunk);
  }

  putBack(chunks: Uint8Array[]): void {
    this.#again = chunks;
  }

  async cancel(): Promise<void> {
    const { call, claim, response } = this.parts;
    if (claim) {
      call.keepToOneCredit();
      await this.#finish();
    }
    call.kill();
    await response.cancel();
    await this.#end(this.parts.started.uptake.failure(), false);
  }

  async #readOn(): Promise<Uint8Array | null> {
    try {
      const chunk = this.#first ?? await this.parts.response.read();
      this.#first = null;
      if (chunk) this.parts.transcript.add(chunk);
      else await this.#end(null, true);
      return chunk;
    } catch (thrown) {
      const error = asKhachapuriError(thrown);
      await this.#end(error, false);
      throw error;
    }
  }

  /** A caller that went away may ask again under its key, so its answer is finished without it. */
  async #finish(): Promise<void> {
    try {
      while (!this.parts.transcript.isTooLarge() && await this.read() !== null);
    } catch { /* `#readOn` has ended the accounts with the error */ }
  }

  #end(error: KhachapuriError | null, isWhole: boolean): Promise<boolean> {
    this.parts.started.uptake.unwatch();
    const { account, transcript, first, response: { status, hasHead } } = this.parts;
    return account.end({ status, error, beginning: hasHead ? null : first, transcript, isWhole });
  }
}

/** The program's end; fails where its caller is not waited for, as it has taken nothing by then. */
async function endOf({ run, uptake }: Started): Promise<void> {
  const record = await run.record.catch(() => null);
  if (record?.limit === "timeout") uptake.assertTaken();
}

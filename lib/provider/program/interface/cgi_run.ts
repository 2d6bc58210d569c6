/**
 * A CGI program at work on one call: one run, or after a local redirect several that follow one
 * another, within the time that one run may take, or has been given by now.
 */
import { concat } from "../../../../sandbox/bytes.ts";
import type { Output } from "../../../../sandbox/output.ts";
import { limitError } from "../../../../sandbox/run.ts";
import type { Run, RunLimit, RunRecord, Sandbox } from "../../../../sandbox/sandbox.ts";
import { asKhachapuriError, KhachapuriError } from "../../../errors.ts";
import { LOCAL_REDIRECTS_MAX, RESPONSE_HEAD_BYTES_MAX, STDERR_BYTES_MAX } from "../../../limits.ts";
import { asAnnounced } from "./announced_length.ts";
import type { ProgramRequest, ProgramResponse, ProgramRun } from "./interface.ts";
import { redirectedRequest } from "./local_redirect.ts";

export interface CgiResponse extends ProgramResponse {
  /** Where a local redirect goes, path and query (RFC 3875 section 6.2.2); else null. */
  readonly localRedirect: string | null;
}

export interface CgiRunParts {
  /** The first run. */
  run: Run;
  request: ProgramRequest;
  limits: Sandbox["limits"];
  read(output: Output): Promise<CgiResponse>;
  /** Starts the next run. */
  again(request: ProgramRequest): Promise<Run>;
}

export class CgiRun implements ProgramRun {
  readonly record: Promise<RunRecord>;
  readonly #parts: CgiRunParts;
  readonly #records: Promise<RunRecord>[];
  readonly #responded = Promise.withResolvers<void>();
  /** The runs behind the first, and when the time of each began as it was started. */
  readonly #later: { run: Run; startedAt: number }[] = [];
  /** What all runs may take together. */
  #allowedMs: number;
  #run: Run;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isKilled = false;
  /** Whether the time was over in the run that is now. */
  #isLate = false;
  /** Why a redirect was not followed any more. */
  #stopped: RunLimit | null = null;

  constructor(parts: CgiRunParts) {
    this.#parts = parts;
    this.#run = parts.run;
    this.#allowedMs = parts.limits.timeoutMs;
    this.#records = [parts.run.record];
    this.record = this.#recordAll();
    this.record.catch(() => {}); // A failure that nobody waits for must not end the provider.
  }

  isComplete(): boolean {
    return this.#run.output.isComplete();
  }

  // A field, as whoever ends a run passes it on.
  kill = (): void => {
    this.#isKilled = true;
    this.#run.kill();
  };

  extend = (ms: number): void => {
    this.#allowedMs += ms;
    this.#run.extend(ms);
    if (this.#timer !== null) this.#endInTime();
  };

  /** The first run's time is everyone's; it stands still while any of them waits for its caller. */
  begun = (): number => {
    const first = this.#parts.run.begun();
    return this.#later.reduce((at, { run, startedAt }) => at + (run.begun() - startedAt), first);
  };

  async respond(): Promise<ProgramResponse> {
    try {
      return await this.#follow();
    } catch (error) {
      throw this.#explained(error);
    } finally {
      this.#responded.resolve();
    }
  }

  /** Goes where the program redirects, until it answers. */
  async #follow(): Promise<ProgramResponse> {
    let { request } = this.#parts;
    for (let followed = 0;; followed++) {
      const response = await this.#parts.read(this.#run.output);
      const next = response.localRedirect === null
        ? null
        : redirectedRequest(request, response.localRedirect);
      if (next === null) return this.#answer(asAnnounced(response, request.method));
      if (followed === LOCAL_REDIRECTS_MAX) throw endless();
      await readRest(response);
      await this.#run.record;
      await this.#runAgain(next);
      request = next;
    }
  }

  async #runAgain(request: ProgramRequest): Promise<void> {
    const { limits, again } = this.#parts;
    const left = this.#leftMs();
    if (this.#isKilled || left <= 0) {
      this.#stopped = this.#isKilled ? "aborted" : "timeout";
      throw limitError(this.#stopped, limits);
    }
    if (this.#timer === null) this.#endInTime();
    this.#run = await again(request).catch((error) => {
      throw unpassable(error);
    });
    // Of itself it would have the time of one credit.
    if (left > limits.timeoutMs) this.#run.extend(Math.ceil(left - limits.timeoutMs));
    this.#later.push({ run: this.#run, startedAt: this.#run.begun() });
    this.#records.push(this.#run.record);
    if (this.#isKilled || this.#isLate) this.#run.kill();
  }

  #endInTime(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#endLate(), this.#leftMs());
  }

  #leftMs(): number {
    return this.begun() + this.#allowedMs - performance.now();
  }

  #endLate(): void {
    if (this.#leftMs() > 1) return this.#endInTime();
    this.#isLate = true;
    this.#run.kill();
  }

  #answer(response: ProgramResponse): ProgramResponse {
    if (this.#timer === null) return response;
    const { read } = response;
    return {
      ...response,
      read: () => read().catch((error) => Promise.reject(this.#explained(error))),
    };
  }

  #explained(error: unknown): unknown {
    const isCut = error instanceof KhachapuriError && error.code === "program_limit";
    return isCut && this.#isLate ? limitError("timeout", this.#parts.limits) : error;
  }

  async #recordAll(): Promise<RunRecord> {
    await this.#responded.promise;
    try {
      const all = together(await Promise.all(this.#records));
      const isLate = this.#isLate && all.limit === "aborted";
      return { ...all, limit: this.#stopped ?? (isLate ? "timeout" : all.limit) };
    } finally {
      if (this.#timer !== null) clearTimeout(this.#timer);
    }
  }
}

/**
 * The program goes on to its end. What it prints after a redirect is no answer, and it may print no
 * more there than in a head: it would be read for nothing, once for each redirect.
 */
async function readRest(response: ProgramResponse): Promise<void> {
  let bytes = 0;
  for (let chunk = await response.read(); chunk !== null; chunk = await response.read()) {
    bytes += chunk.length;
    if (bytes <= RESPONSE_HEAD_BYTES_MAX) continue;
    const problem = "the program printed a document after a local redirect";
    throw new KhachapuriError("program_failed", problem);
  }
}

/** What became of several runs of one call: it ended as the last one did. */
function together(records: readonly RunRecord[]): RunRecord {
  const last = records.at(-1)!;
  if (records.length === 1) return last;
  const sum = (field: "wallMs" | "stdinBytes" | "stdoutBytes" | "stderrBytes") =>
    records.reduce((all, record) => all + record[field], 0);
  const measured = (field: "cpuMs" | "peakMemoryBytes") =>
    records.flatMap((record) => record[field] ?? []);
  const cpuMs = measured("cpuMs");
  const peaks = measured("peakMemoryBytes");
  return {
    ...last,
    wallMs: sum("wallMs"),
    cpuMs: cpuMs.length === 0 ? null : cpuMs.reduce((all, ms) => all + ms),
    peakMemoryBytes: peaks.length === 0 ? null : Math.max(...peaks),
    stdinBytes: sum("stdinBytes"),
    stdoutBytes: sum("stdoutBytes"),
    stderrBytes: sum("stderrBytes"),
    stderr: concat(records.map(({ stderr }) => stderr)).subarray(0, STDERR_BYTES_MAX),
  };
}

function endless(): KhachapuriError {
  const problem = `the program redirected to itself more than ${LOCAL_REDIRECTS_MAX} times`;
  return new KhachapuriError("program_failed", problem);
}

/** Where a program redirects to is its own doing, and costs its payer the call. */
function unpassable(thrown: unknown): KhachapuriError {
  const error = asKhachapuriError(thrown);
  if (error.code !== "invalid_input") return error;
  const problem = `the program redirected to what cannot be passed to it: ${error.shortMessage}`;
  return new KhachapuriError("program_failed", problem);
}

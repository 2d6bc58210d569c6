/**
 * One call of a program in the real sandbox without a chain or IPFS: the program is packed and
 * unpacked as a deployment would be, called as a provider calls it, and answers as it would there.
 */
import type { Address } from "viem";
import { chunksSource } from "../../byte_source.ts";
import type { RunRecord, RunRequest, SandboxHost } from "../../../sandbox/sandbox.ts";
import { asKhachapuriError, KhachapuriError } from "../../errors.ts";
import { REQUEST_BYTES_DEFAULT } from "../../limits.ts";
import { packProgram } from "../../spec/pack.ts";
import { unpackProgram } from "../../spec/unpack.ts";
import { type HeaderField, TOKEN } from "../http/header_rules.ts";
import { bodyTooLarge } from "../http/request_body.ts";
import { type Diagnosis, type Evidence, moreTime, type Place } from "./detector.ts";
import { diagnose } from "./diagnosis.ts";
import { leave, type ProgramPlace, type ProgramResponse } from "./interface/interface.ts";
import { interfaceOf } from "./interface/interfaces.ts";
import { openBackstage, openStage, type StagedProgram } from "./stage.ts";
import type { Workplace } from "./workplace.ts";

export interface RehearsedProgram extends StagedProgram {
  dir: string;
  /** Who is said to pay for each request; without one the owner does. */
  payer?: Address | null;
  /** What it prints if it is a server, as it comes. */
  onOutput?: (bytes: Uint8Array) => void;
}

export interface RehearsedRequest {
  method: string;
  /** Scheme, host and port as the caller would see them. */
  base: URL;
  /** As sent, with its leading slash. */
  path: string;
  /** What follows the first "?"; null when there is none. */
  query: string | null;
  headers: readonly (readonly [string, string])[];
  body: Uint8Array<ArrayBuffer> | null;
  /** What the program writes to stderr, as it comes. */
  onStderr?: RunRequest["onStderr"];
  signal?: AbortSignal;
}

export interface Rehearsal {
  response: ProgramResponse;
  /** Resolves when the run and everything it started is gone. */
  record: Promise<RunRecord>;
  /** What can then be told of its failure; null when nothing can, or there was none. */
  diagnosis(): Promise<Diagnosis | null>;
}

/** An unpacked program, ready to be called. */
export interface Stage extends AsyncDisposable {
  /**
   * Calls the program once; the first call of a server waits until it has started.
   * @throws KhachapuriError `invalid_input`, `sandbox_unavailable`, `program_failed`
   */
  call(request: RehearsedRequest): Promise<Rehearsal>;
}

/**
 * Packs and unpacks a program folder into a temporary one and opens its sandbox; disposing of it
 * ends the sandbox and removes the folder.
 * @throws KhachapuriError `invalid_program`, `not_found`, `sandbox_unavailable`
 */
export async function rehearse(host: SandboxHost, program: RehearsedProgram): Promise<Stage> {
  const zip = await packProgram(program.dir);
  await using stack = new AsyncDisposableStack();
  const backstage = stack.use(await openBackstage(host));
  const programDir = backstage.place();
  await unpackProgram(zip, programDir);
  const { onOutput } = program;
  const workplace = await openStage(backstage, programDir, program, "run", (event) => {
    if (event.kind === "output") onOutput?.(event.bytes);
  });
  stack.defer(() => workplace.close());
  const owned = stack.move();
  return {
    call: (request) => callOnce(workplace, program, request),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function callOnce(
  workplace: Workplace,
  program: RehearsedProgram,
  request: RehearsedRequest,
): Promise<Rehearsal> {
  const { method, base, path, query, body, signal, onStderr } = request;
  if (body && body.length > REQUEST_BYTES_DEFAULT) throw bodyTooLarge(REQUEST_BYTES_DEFAULT);
  const style = interfaceOf(program.interface);
  const start = style.prepare(program, {
    method,
    protocol: "HTTP/1.1",
    base,
    mount: "",
    path,
    query,
    headers: headersOf(request),
    hasBody: body !== null,
    bodyBytes: body && body.length,
    remoteAddress: "127.0.0.1",
    upgrade: null,
    payer: program.payer ?? null,
  });
  const place = await workplace.take();
  const run = await start(heardBy(place, onStderr), body && chunksSource([body]));
  if (signal?.aborted) run.kill();
  const kill = () => run.kill();
  signal?.addEventListener("abort", kill, { once: true });
  const over = () => {
    signal?.removeEventListener("abort", kill);
    leave(place);
  };
  run.record.then(over, over);
  const evidence = (record: RunRecord) => ({
    record,
    interface: program.interface,
    mayCall: program.egress,
    place: { command: "run", connectTo: program.connectTo } as const,
  });
  const explain = async (error: unknown): Promise<never> => {
    throw explained(asKhachapuriError(error), evidence(await run.record));
  };
  const response = await run.respond().catch(explain);
  let first: Uint8Array | null = null;
  return {
    response: {
      ...response,
      async read() {
        const chunk = await response.read().catch(explain);
        first ??= chunk;
        return chunk;
      },
    },
    record: run.record,
    async diagnosis() {
      const beginning = response.hasHead ? null : first;
      return diagnose({ ...evidence(await run.record), beginning, answerFault: null });
    },
  };
}

/** What a server prints is no request's. */
function heardBy(place: ProgramPlace, onStderr: RunRequest["onStderr"]): ProgramPlace {
  if (onStderr === undefined || !("run" in place)) return place;
  return { ...place, run: (run) => place.run({ ...run, onStderr }) };
}

/** A program's failure to answer, with what can be told of it, for its owner. */
function explained(
  error: KhachapuriError,
  evidence: Pick<Evidence, "record" | "interface" | "mayCall" | "place">,
): KhachapuriError {
  const answerFault = error.shortMessage;
  const found = diagnose({ ...evidence, beginning: null, answerFault });
  if (!found) return withMoreTime(error, evidence.place);
  return error.toldWith({
    message: `${answerFault}: ${found.full}`,
    hints: [found.hint, ...error.hints],
  });
}

function withMoreTime(error: KhachapuriError, place: Place): KhachapuriError {
  if (error.code !== "program_timeout") return error;
  return error.toldWith({ hints: [moreTime(place), ...error.hints] });
}

/** As they would come over the wire: with a Host, and the length of the body that there is. */
function headersOf({ base, headers, body }: RehearsedRequest): HeaderField[] {
  const fields = headers.map(([name, value]): HeaderField => {
    if (!TOKEN.test(name)) {
      throw new KhachapuriError("invalid_input", `${JSON.stringify(name)} is no header's name`);
    }
    return [name.toLowerCase(), asByteString(value)];
  });
  if (!fields.some(([name]) => name === "host")) fields.unshift(["host", base.host]);
  if (!body) return fields;
  const others = fields.filter(([name]) => name !== "content-length");
  return [...others, ["content-length", String(body.length)]];
}

/** What a header looks like once it came over the wire: bytes in the guise of Latin-1. */
function asByteString(value: string): string {
  return Array.from(new TextEncoder().encode(value), (byte) => String.fromCharCode(byte)).join("");
}

/**
 * How a program is given a request and how its answer is read. A spec names one by its field
 * `interface`; what comes after (charging, streaming to the caller, logging) is the same for all.
 */
import type { Address } from "viem";
import type { ByteSource } from "../../../byte_source.ts";
import type { Output } from "../../../../sandbox/output.ts";
import type { ProgramString, Run, RunRequest, Sandbox } from "../../../../sandbox/sandbox.ts";
import { KhachapuriError } from "../../../errors.ts";
import type { HeaderField } from "../../http/header_rules.ts";
import type { Tunnel } from "../../http/tunnel.ts";
import type { Seat } from "../../server/life.ts";

/** One request as its caller sent it. Text that came over the wire has one character an octet. */
export interface ProgramRequest {
  readonly method: string;
  /** As the caller's connection, or that of the proxy before us, has it. */
  readonly protocol: "HTTP/1.0" | "HTTP/1.1" | "HTTP/2.0";
  /** Scheme, host and port that the caller used. */
  readonly base: URL;
  /** The path under which the deployment lives: "/{cid}", or "" on a host of its own. */
  readonly mount: string;
  /** The rest of the path, as sent; "" when nothing follows the cid. */
  readonly path: string;
  /** Without the question mark, as sent; null when there is none. */
  readonly query: string | null;
  /** In lower case, in the order in which they came, repeated ones apart. */
  readonly headers: readonly HeaderField[];
  readonly hasBody: boolean;
  /** Length of the body; null when it is not known yet, or nothing was said of a body. */
  readonly bodyBytes: number | null;
  readonly remoteAddress: string;
  /** What its connection is to become, if the program agrees. */
  readonly upgrade: "websocket" | null;
  /** Whose own permit pays for this request, as it proved; null when the owner pays. */
  readonly payer: Address | null;
}

/** What is run for it, as the spec says. */
export interface ProgramCommand {
  /** Relative to the program's folder. */
  readonly entrypoint: string;
  /** Before the request's own arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a program answers. */
export interface ProgramResponse {
  /** 200 to 599. */
  status: number;
  /** Repeated ones apart, as the program printed them. */
  headers: HeaderField[];
  /** The next chunk of what follows the head; null at its end. Fails as the output does. */
  read(): Promise<Uint8Array | null>;
  /** Gives up the rest of the program's output; never throws. */
  cancel(): Promise<void>;
  /** Length of the body, as the program says; null when it says none (announced_length.ts). */
  announcedBytes: number | null;
  /**
   * Length of the body where its framing keeps it to it, so that its caller can be told; null or
   * none: its end will tell.
   */
  bodyBytes?: number | null;
  /** Whether the program printed a head; false when all of its output is the body. */
  hasHead: boolean;
  /** What follows the body, once it has ended; not all interfaces have any. */
  trailers?(): readonly HeaderField[];
  /** With status 101: the connection to the program. */
  tunnel?: Tunnel;
}

/** A program at work on a request. */
export interface ProgramRun extends Pick<Run, "kill" | "extend" | "begun"> {
  /** As a run's own; what does not resolve before `respond` has ended. */
  readonly record: Run["record"];
  /**
   * Reads the head of its answer; to be called once.
   * @throws KhachapuriError `program_failed` when it is malformed, cut off or larger than
   *   RESPONSE_HEAD_BYTES_MAX; whatever the program's output itself fails with
   */
  respond(): Promise<ProgramResponse>;
  /** Whether all of its output has come in, so that reading waits for nothing. */
  isComplete(): boolean;
}

export interface ProgramInterface {
  /** Whether a program has to be told how long a body is, which therefore must have arrived. */
  readonly needsBodyLength: boolean;
  /**
   * What there is to do for a request, before it costs anything.
   * @throws KhachapuriError `invalid_input` when it cannot be passed to a program
   */
  prepare(command: ProgramCommand, request: ProgramRequest): StartProgram;
}

/** Where a request is worked on: in a sandbox by a run of its own, or by a server that runs. */
export type ProgramPlace = Sandbox | Seat;

/** @throws KhachapuriError `internal` when the program is a server */
export function sandboxOf(place: ProgramPlace): Sandbox {
  if ("run" in place) return place;
  throw new KhachapuriError("internal", "a server is sent requests, and not run for each");
}

/** @throws KhachapuriError `internal` when the program is no server */
export function seatOf(place: ProgramPlace): Seat {
  if ("send" in place) return place;
  throw new KhachapuriError("internal", "only a server can be sent a request");
}

/** A request is over, or there will be none: a seat is another's now. */
export function leave(place: ProgramPlace): void {
  if ("send" in place) place.release();
}

/**
 * Starts a program on the request that it was prepared for; to be called once.
 * @throws KhachapuriError `sandbox_unavailable`
 */
export type StartProgram = (
  place: ProgramPlace,
  body: ByteSource | null,
) => Promise<ProgramRun>;

/** Arguments and environment of one run, one character an octet. */
export interface Invocation {
  /** What follows the entrypoint and the spec's own arguments. */
  args: string[];
  /** To be laid over the spec's environment, which can't contain any of these names. */
  env: Record<string, string>;
}

/** How the sandbox is asked to run a program for one request, with the body on its stdin. */
export function runRequest(
  { entrypoint, args, env }: ProgramCommand,
  own: Invocation,
  body: ByteSource | null,
): RunRequest {
  const variables: Record<string, ProgramString> = { ...env };
  for (const name in own.env) variables[name] = octets(own.env[name]!);
  return { argv: [entrypoint, ...args, ...own.args.map(octets)], env: variables, stdin: body };
}

/** What came over the wire reaches a program octet by octet, be it UTF-8 or not. */
function octets(text: string): ProgramString {
  // deno-lint-ignore no-control-regex -- ASCII is meant, control characters and all
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** A run whose answer is what `read` makes of its output. */
export function programRun(
  run: Run,
  read: (output: Output) => Promise<ProgramResponse>,
): ProgramRun {
  const { output, record, kill, extend, begun } = run;
  const isComplete = () => output.isComplete();
  return { record, kill, extend, begun, respond: () => read(output), isComplete };
}

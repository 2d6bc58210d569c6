/**
 * The frames between the provider and a sandbox's init, little endian: a header `u32 length, u8
 * type, u8 0, u16 run`, then the payload. init/protocol.h says the same to init; a test compares
 * the two (protocol_header_test.ts). Stdin and stdout move under windows: what a slow caller or
 * program does not take is not sent, so that it neither stalls other runs nor fills memory.
 */
import { KhachapuriError } from "../lib/errors.ts";
import { concat } from "./bytes.ts";

export const PROTOCOL_VERSION = 7;
/** Runs that one sandbox holds at a time. */
export const RUNS_MAX = 64;
export const HEADER_BYTES = 8;
/** Payload of one frame, except START and SETUP. */
export const CHUNK_BYTES_MAX = 256 * 1024;
/** Payload of a START or SETUP frame. */
export const START_BYTES_MAX = 1024 * 1024;
/** Strings in argv, and as many in env. */
export const STRINGS_MAX = 4096;
export const RLIMITS_MAX = 16;
/** Of the seccomp filter: the kernel's own BPF_MAXINSNS. */
export const FILTER_INSTRUCTIONS_MAX = 4096;
/** Stdin that may be under way to a program that has not read it. */
export const STDIN_WINDOW_BYTES = 256 * 1024;
/** Stdout that may be under way to a caller that has not taken it. */
export const STDOUT_WINDOW_BYTES = 512 * 1024;
/** Flag of a START frame: without it the program reads end of file at once. */
export const START_HAS_STDIN = 1;
/** Flag of a START frame: the program starts in its entrypoint's folder, else in its own. */
export const START_IN_ITS_FOLDER = 2;
/** A stdin credit of this value: the program reads no more. */
export const STDIN_CLOSED = 0xffff_ffff;
/** A set-up's `listen` of this value: the server is passed the socket at which it listens. */
export const LISTEN_BY_FD = 1;

export const FRAME = {
  setup: 1,
  start: 2,
  stdin: 3,
  stdinEnd: 4,
  credit: 5,
  kill: 6,
  extend: 7,
  freeze: 8,
  thaw: 9,
  terminate: 10,
  measure: 11,
  await: 12,
  ready: 16,
  stdout: 17,
  stderr: 18,
  stdinCredit: 19,
  exit: 20,
  egress: 21,
  usage: 22,
  listening: 23,
  waited: 24,
} as const;

/** Kinds of limits that cgroups enforce, as bits of a READY frame's payload. */
export const CONTROLLER = { memory: 1, pids: 2, cpu: 4 } as const;

export interface Frame {
  type: number;
  run: number;
  payload: Uint8Array;
}

/** What one deployment's runs may use; sizes in bytes. */
export interface Setup {
  /** Of a server 0: it has none. */
  timeoutMs: number;
  tmpBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
  /** Of one run: enforced by a cgroup, or where there is none by init, which looks every 20 ms. */
  memoryBytes: number;
  /** Pairs of RLIMIT_* number and value. */
  rlimits: readonly (readonly [resource: number, value: number])[];
  /** 64 bits that the filter asks for in the system calls with which init starts runs. */
  secret: bigint;
  /** Sockets for the relay; 0: programs cannot call out. */
  listeners: number;
  /** 0: programs print their answers; else a server's port, or `LISTEN_BY_FD`. */
  listen: number;
  /** The encoded seccomp program, 8 bytes an instruction. */
  filter: Uint8Array;
  /** Of a spare: the name of the program's folder in the one that it shows. */
  program?: string;
}

/** What ended a run before its time, in init's numbering. */
export const CAUSES = [
  "none",
  "timeout",
  "memory",
  "stdout",
  "aborted",
  "start",
  "escaped",
] as const;
export type Cause = typeof CAUSES[number];

/** Where starting a run failed, in init's numbering. */
export const STEPS = ["none", "namespaces", "mounts", "capabilities", "exec"] as const;

/** The EXIT frame. */
export interface Exit {
  /** As wait(2) gives it. */
  status: number;
  /** Not 0: the program never started, with this errno at `startStep`. */
  startErrno: number;
  startStep: typeof STEPS[number];
  cause: Cause;
  /** Where something listened when its time ran out; null: nothing did. */
  listeningPort: number | null;
  cpuMs: number;
  peakBytes: number;
  stdinBytes: number;
  stdoutBytes: number;
  stderrBytes: number;
}

const encoder = new TextEncoder();

/** One frame as bytes. */
export function encodeFrame(type: number, run: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  writeHeader(bytes, type, run, payload.length);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

function writeHeader(bytes: Uint8Array, type: number, run: number, length: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, length, true);
  view.setUint8(4, type);
  view.setUint16(6, run, true);
}

const SETUP_FIXED_BYTES = 64;
const RLIMIT_BYTES = 16;
const INSTRUCTION_BYTES = 8;

/** @throws KhachapuriError `sandbox_unavailable` when init would not take so much */
export function encodeSetup(setup: Setup): Uint8Array {
  const { filter } = setup;
  const instructions = filter.length / INSTRUCTION_BYTES;
  if (setup.rlimits.length > RLIMITS_MAX || instructions > FILTER_INSTRUCTIONS_MAX) {
    throw new KhachapuriError("sandbox_unavailable", "the sandbox's set-up is too large");
  }
  const filterAt = SETUP_FIXED_BYTES + setup.rlimits.length * RLIMIT_BYTES;
  const program = encoder.encode(setup.program ?? "");
  const bytes = new Uint8Array(filterAt + filter.length + program.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, PROTOCOL_VERSION, true);
  view.setUint32(4, setup.timeoutMs, true);
  view.setUint32(8, setup.tmpBytes, true);
  view.setUint32(12, setup.stderrBytes, true);
  view.setBigUint64(16, BigInt(setup.stdoutBytes), true);
  view.setBigUint64(24, BigInt(setup.memoryBytes), true);
  view.setBigUint64(32, setup.secret, true);
  view.setUint32(40, setup.rlimits.length, true);
  view.setUint32(44, instructions, true);
  view.setUint32(48, setup.listeners, true);
  view.setUint32(52, setup.listen, true);
  view.setUint32(56, program.length, true);
  setup.rlimits.forEach(([resource, value], index) => {
    const at = SETUP_FIXED_BYTES + index * RLIMIT_BYTES;
    view.setUint32(at, resource, true);
    view.setBigUint64(at + 8, BigInt(value), true);
  });
  bytes.set(filter, filterAt);
  bytes.set(program, filterAt + filter.length);
  return encodeFrame(FRAME.setup, 0, bytes);
}

/**
 * What a spare's supervisor reads before all else, as a fresh one has it from its command.
 * @param memoryBytes of one run
 * @param policyBytes of the way out's policy, which follows; 0: there is none
 */
export function encodeOrder(memoryBytes: number, policyBytes: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(memoryBytes), true);
  view.setBigUint64(8, BigInt(policyBytes), true);
  return bytes;
}

/** An argument or variable of a program: text goes to it in UTF-8, octets as they are. */
export type ProgramString = string | Uint8Array;

/**
 * The frame that starts a run.
 * @param env "NAME=value" strings
 * @param hasStdin false: the program reads end of file at once
 * @param isInItsFolder true: it starts in its entrypoint's folder
 * @throws KhachapuriError `invalid_input` when they cannot be passed to a program
 */
export function encodeStart(
  run: number,
  argv: readonly ProgramString[],
  env: readonly ProgramString[],
  hasStdin: boolean,
  isInItsFolder = false,
): Uint8Array {
  if (argv.length > STRINGS_MAX || env.length > STRINGS_MAX) throw unpassable();
  const written = writeStrings([...argv, ...env]);
  writeHeader(startFrame, FRAME.start, run, START_FIXED_BYTES + written);
  startView.setUint32(HEADER_BYTES, argv.length, true);
  startView.setUint32(HEADER_BYTES + 4, env.length, true);
  const flags = (hasStdin ? START_HAS_STDIN : 0) | (isInItsFolder ? START_IN_ITS_FOLDER : 0);
  startView.setUint32(HEADER_BYTES + 8, flags, true);
  return startFrame.slice(0, HEADER_BYTES + START_FIXED_BYTES + written);
}

const START_FIXED_BYTES = 12;
/**
 * Each START frame is put together here and then copied out. The kernel gives this buffer memory
 * only as far as the longest frame so far has reached.
 */
const startFrame = new Uint8Array(HEADER_BYTES + START_BYTES_MAX);
const startView = new DataView(startFrame.buffer);
const startStrings = startFrame.subarray(HEADER_BYTES + START_FIXED_BYTES);

/** Writes strings, each with its NUL, into `startStrings`; tells how many bytes they take. */
function writeStrings(strings: readonly ProgramString[]): number {
  if (areTexts(strings)) return writeTexts(strings, 0);
  let at = 0;
  for (const string of strings) {
    if (typeof string === "string") {
      at = writeTexts([string], at);
      continue;
    }
    if (string.includes(0) || string.length >= startStrings.length - at) throw unpassable();
    startStrings.set(string, at);
    startStrings[at + string.length] = 0;
    at += string.length + 1;
  }
  return at;
}

function areTexts(strings: readonly ProgramString[]): strings is readonly string[] {
  return strings.every((string) => typeof string === "string");
}

/** One call for all of them: nearly every run has nothing but text. */
function writeTexts(texts: readonly string[], at: number): number {
  if (texts.some((text) => text.includes("\0"))) throw unpassable();
  const text = texts.length === 0 ? "" : texts.join("\0") + "\0";
  const { read, written } = encoder.encodeInto(text, startStrings.subarray(at));
  if (read < text.length) throw unpassable();
  return at + written;
}

/** For arguments or an environment that execve(2) cannot give to a program. */
export function unpassable(): KhachapuriError {
  return new KhachapuriError("invalid_input", "arguments or environment cannot reach a program");
}

export function encodeCredit(run: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, bytes, true);
  return encodeFrame(FRAME.credit, run, payload);
}

/** The run may take `ms` longer. */
export function encodeExtend(run: number, ms: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, ms, true);
  return encodeFrame(FRAME.extend, run, payload);
}

/** Frames without payload. */
export function encodeBare(type: number, run: number): Uint8Array {
  return encodeFrame(type, run, new Uint8Array(0));
}

export const EXIT_BYTES = 64;

/** @throws KhachapuriError `sandbox_unavailable` when it is not an EXIT payload */
export function decodeExit(payload: Uint8Array): Exit {
  if (payload.length !== EXIT_BYTES) throw malformed();
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const cause = CAUSES[view.getUint32(8, true)];
  const startStep = STEPS[view.getUint32(12, true)];
  if (cause === undefined || startStep === undefined) throw malformed();
  const big = (offset: number) => Number(view.getBigUint64(offset, true));
  return {
    status: view.getUint32(0, true),
    startErrno: view.getUint32(4, true),
    cause,
    startStep,
    listeningPort: view.getUint32(16, true) || null,
    cpuMs: big(24) / 1000,
    peakBytes: big(32),
    stdinBytes: big(40),
    stdoutBytes: big(48),
    stderrBytes: big(56),
  };
}

/** The USAGE frame: what a server has used so far, and holds. */
export interface Usage {
  cpuMs: number;
  memoryBytes: number;
  processes: number;
}

const USAGE_BYTES = 24;

/** @throws KhachapuriError `sandbox_unavailable` when it is not a USAGE payload */
export function decodeUsage(payload: Uint8Array): Usage {
  if (payload.length !== USAGE_BYTES) throw malformed();
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return {
    cpuMs: Number(view.getBigUint64(0, true)) / 1000,
    memoryBytes: Number(view.getBigUint64(8, true)),
    processes: view.getUint32(16, true),
  };
}

/** @throws KhachapuriError `sandbox_unavailable` when it is not one u32 */
export function decodeU32(payload: Uint8Array): number {
  if (payload.length !== 4) throw malformed();
  return new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true);
}

/** For what came from the sandbox and is no frame of this protocol. */
export function malformed(): KhachapuriError {
  return new KhachapuriError("sandbox_unavailable", "the sandbox sent a malformed frame");
}

const NOTHING = new Uint8Array(0);

/**
 * Cuts a byte stream into frames. Their payloads may be views of the bytes that were passed in.
 * @param pieced a type whose payloads are a stream: what has come of one is handed out as a frame
 * of its own, so that nothing waits for the rest, or is copied to be joined to it
 */
export function createDecoder(pieced?: number): (bytes: Uint8Array) => Frame[] {
  let rest: Uint8Array = NOTHING;
  /** The frame of which more is to come, and how many bytes. */
  let begun: Omit<Frame, "payload"> | null = null;
  let left = 0;
  return (bytes) => {
    const all = rest.length === 0 ? bytes : concat([rest, bytes]);
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const frames: Frame[] = [];
    let at = 0;
    const piece = (frame: Omit<Frame, "payload">, length: number) => {
      const payload = all.subarray(at, at + length);
      at += payload.length;
      left = length - payload.length;
      begun = left > 0 ? frame : null;
      if (payload.length > 0 || length === 0) frames.push({ ...frame, payload });
    };
    if (begun) piece(begun, left);
    while (all.length - at >= HEADER_BYTES) {
      const length = view.getUint32(at, true);
      if (length > CHUNK_BYTES_MAX || view.getUint8(at + 5) !== 0) throw malformed();
      const type = view.getUint8(at + 4);
      if (all.length - at < HEADER_BYTES + length && type !== pieced) break;
      const run = view.getUint16(at + 6, true);
      at += HEADER_BYTES;
      piece({ type, run }, length);
    }
    rest = at === all.length ? NOTHING : all.slice(at);
    return frames;
  };
}

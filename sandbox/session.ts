/** A live sandbox: the helper's process, the frames to and from its init, and the runs in it. */
import { free } from "../lib/byte_source.ts";
import { KhachapuriError } from "../lib/errors.ts";
import {
  KILL_GRACE_MS,
  SANDBOX_DIAGNOSTIC_BYTES_MAX,
  SANDBOX_START_MS_MAX,
} from "../lib/limits.ts";
import { concat } from "./bytes.ts";
import {
  decodeEvent,
  type EgressEvent,
  type EgressPolicy,
  type EgressUsage,
  encodePolicy,
  usedSince,
} from "./egress.ts";
import { EgressTally } from "./egress_tally.ts";
import {
  CHUNK_BYTES_MAX,
  createDecoder,
  decodeExit,
  decodeU32,
  encodeStart,
  FRAME,
  type Frame,
  malformed,
  RUNS_MAX,
} from "./protocol.ts";
import { createRun, type LiveRun, type RunInput } from "./run.ts";
import { explainFailure } from "./explain.ts";

/** The helper's process, as far as a session needs it. */
export interface HelperProcess {
  readonly stdin: WritableStream<Uint8Array>;
  /** Both are readable into a buffer of the reader's own. */
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array>;
  /** Settles when it has ended; with 128 and the number when a signal ended its launcher. */
  readonly status: Promise<HelperStatus>;
  kill(signal: "SIGTERM"): void;
}

export interface HelperStatus {
  readonly code: number;
  /** null: it exited. */
  readonly signal: string | null;
}

/** What a session is told that its runs are not. */
export interface SessionEvents {
  /** What becomes of the way out; what was used, since it was told last. */
  onEgress?(event: EgressEvent): void;
  /** A frame that only a server's sandbox sends; false: it is none. */
  onServerFrame?(frame: Frame): boolean;
}

/**
 * What is read of a sandbox at once: most answers fit in. Each of a thousand that rest waits with a
 * buffer of this size.
 */
const READ_BYTES = 16 * 1024;
/** What fills its buffer is read with a larger one, up to this. */
const LARGE_READ_BYTES = CHUNK_BYTES_MAX;
/** The helper and the launcher say little, and nothing while all is well. */
const DIAGNOSTIC_READ_BYTES = 512;

/** One that is not may be kept for long, and must not keep all that was read with it. */
function isMostOfItsBuffer({ buffer, byteLength }: Uint8Array): boolean {
  return byteLength > buffer.byteLength / 2;
}

/** How much to read at once after `length` bytes came into a buffer of `size`. */
function readBytesAfter(length: number, size: number): number {
  if (length === size) return Math.min(4 * size, LARGE_READ_BYTES);
  return length <= READ_BYTES / 2 ? READ_BYTES : size;
}

const NOTHING_USED: EgressUsage = { connections: 0, sentBytes: 0, receivedBytes: 0 };

export class Session {
  /** Resolves when the sandbox's processes are gone, whatever the reason. */
  readonly ended: Promise<void>;
  readonly #child: HelperProcess;
  readonly #runs: (LiveRun | null)[] = Array.from({ length: RUNS_MAX }, () => null);
  readonly #channel: Channel;
  readonly #watch: Watch;
  /** What programs have used of their way out; null: they have none. */
  #used: EgressUsage | null = null;
  #isReady = false;
  #isClosed = false;
  /** Whether its end is our doing: then nobody pays for what it takes along. */
  #isEndedByUs = false;
  #failure: KhachapuriError | null = null;
  readonly #events: SessionEvents;
  readonly #ready = Promise.withResolvers<void>();
  /** Resolves once the sandbox is set up; rejects when it ends before. */
  readonly ready = this.#ready.promise;

  /**
   * Takes over a helper that has just been started, or a spare.
   * @param setup encoded, so that nothing is wrong with it once there is a helper
   * @param order what a spare is told first
   */
  constructor(
    child: HelperProcess,
    setup: Uint8Array,
    egress: EgressPolicy | null = null,
    events: SessionEvents = {},
    order: Uint8Array | null = null,
  ) {
    this.#events = events;
    this.ready.catch(() => {}); // Its runs say why, too.
    this.#child = child;
    this.#channel = createChannel(child.stdin);
    this.#watch = createWatch(this.#runs, () => this.#giveUp());
    const diagnostics = keepBeginning(child.stderr, SANDBOX_DIAGNOSTIC_BYTES_MAX);
    this.ended = Promise.all([this.#read(), diagnostics, child.status])
      .then(([, said, status]) => this.#end(said, status));
    if (order) this.#channel.send(order);
    if (egress) {
      this.#used = NOTHING_USED;
      this.#channel.send(encodePolicy(egress));
    }
    this.#channel.send(setup);
  }

  /**
   * Begins a run.
   * @throws KhachapuriError `overloaded` when the sandbox holds `RUNS_MAX` already,
   * `invalid_input` when the command cannot be passed
   */
  start(input: RunInput): LiveRun {
    const index = this.#runs.indexOf(null);
    if (this.#isClosed) throw new KhachapuriError("sandbox_unavailable", "the sandbox has ended");
    if (index < 0) {
      throw new KhachapuriError("overloaded", "the deployment has too many runs at once", {
        retryAfterSeconds: 1,
      });
    }
    const { send } = this.#channel;
    const { argv, env, stdin, isInItsFolder } = input;
    send(encodeStart(index, argv, env, stdin !== null, isInItsFolder));
    const run = createRun(index, input, send, this.#used && new EgressTally(this.#used));
    this.#runs[index] = run;
    this.#watch.arm(run);
    return run;
  }

  /** Puts a frame on the way that has no answer, or one that `onServerFrame` hears. */
  send(frame: Uint8Array): void {
    this.#channel.send(frame);
  }

  /** Ends the sandbox and all in it; resolves when its processes are gone. */
  async close(): Promise<void> {
    this.#isEndedByUs = true;
    this.#stop();
    const giveUp = setTimeout(() => this.#terminate(), KILL_GRACE_MS);
    await this.ended;
    clearTimeout(giveUp);
  }

  async #read(): Promise<void> {
    const decode = createDecoder(FRAME.stdout);
    const reader = this.#child.stdout.getReader({ mode: "byob" });
    let buffer = new Uint8Array(READ_BYTES);
    try {
      for (;;) {
        const size = buffer.length;
        const { value, done } = await reader.read(buffer);
        if (done) break;
        // One buffer serves many reads, so a run copies what it keeps of a payload. Most of one is
        // not copied: another buffer takes its place.
        const isGiven = value.length > size / 2;
        for (const frame of decode(value)) this.#dispatch(frame, isGiven);
        const next = this.#isResting() ? READ_BYTES : readBytesAfter(value.length, size);
        const isKept = !isGiven && next === size;
        buffer = isKept ? new Uint8Array(value.buffer) : new Uint8Array(next);
      }
    } catch (thrown) {
      this.#isEndedByUs ||= !(thrown instanceof KhachapuriError);
      this.#failure = thrown instanceof KhachapuriError ? thrown : malformed();
      this.#stop();
    }
  }

  /** Whether it says nothing until it is asked to. */
  #isResting(): boolean {
    return this.#runs.every((run) => run === null);
  }

  /** @param isGiven whether the payload's bytes are read into no more */
  #dispatch(frame: Frame, isGiven: boolean): void {
    // Which limits cgroups enforce has been asked before: prepareHost in native.ts.
    if (frame.type === FRAME.ready) return this.#begin(frame);
    if (frame.type === FRAME.egress) return this.#noteEgress(decodeEvent(frame.payload));
    if (this.#events.onServerFrame?.(frame)) return;
    const run = this.#runs[frame.run];
    if (!run) throw malformed();
    const { payload } = frame;
    if (frame.type === FRAME.stdout) run.receive(payload, isGiven && isMostOfItsBuffer(payload));
    else if (frame.type === FRAME.stderr) run.keepStderr(frame.payload);
    else if (frame.type === FRAME.stdinCredit) run.allowStdin(decodeU32(frame.payload));
    else if (frame.type === FRAME.waited) run.noteWaited(decodeU32(frame.payload));
    else if (frame.type === FRAME.exit) this.#finish(run, frame);
    else throw malformed();
  }

  /** What was started before has waited for this. */
  #begin(frame: Frame): void {
    decodeU32(frame.payload);
    this.#isReady = true;
    this.#ready.resolve();
    for (const run of this.#runs) run?.begin();
  }

  #noteEgress(event: EgressEvent): void {
    if (event.kind === "used") {
      this.#events.onEgress?.({ kind: "used", ...usedSince(event, this.#used ?? NOTHING_USED) });
      this.#used = event;
    } else {
      this.#events.onEgress?.(event);
    }
    for (const run of this.#runs) run?.noteEgress(event);
  }

  #finish(run: LiveRun, frame: Frame): void {
    // A malformed EXIT throws here, before the run is forgotten: it then fails with the session.
    const exit = decodeExit(frame.payload);
    this.#runs[run.index] = null;
    run.exit(exit);
  }

  #stop(): void {
    this.#isClosed = true;
    this.#channel.close();
  }

  /** Its init has not ended a run in time, or has not even begun it. */
  #giveUp(): void {
    if (!this.#isReady) {
      const seconds = SANDBOX_START_MS_MAX / 1000;
      const message = `the sandbox did not start within ${seconds} s`;
      this.#failure ??= new KhachapuriError("sandbox_unavailable", message, {
        hints: ["the machine may have too much to do; its launcher may wait for something"],
        retryAfterSeconds: 5,
      });
      this.#ready.reject(this.#failure); // Whether or not it can be ended.
    }
    this.#terminate();
  }

  #terminate(): void {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended already, and `ended` follows.
    }
  }

  /**
   * A sandbox that was set up holds nothing but its deployment's programs: its end is their doing,
   * and they are paid for what they had of it, but where we ended it or somebody outside.
   * @param said what the helper and the launcher printed to stderr
   */
  #end(said: string, status: HelperStatus): void {
    this.#stop();
    this.#watch.stop();
    const error = this.#failure ?? explainFailure(said);
    this.#ready.reject(error);
    const isOurs = !this.#isReady || this.#isEndedByUs || wasKilledOutside(status);
    for (const run of this.#runs) {
      if (isOurs) run?.fail(error);
      else run?.collapse(error);
    }
    this.#runs.fill(null);
  }
}

/**
 * Whether an operator or a machine out of memory killed the helper, its launcher or init. Programs
 * can signal none of them: the kernel spares the first process of a namespace from those inside.
 */
function wasKilledOutside({ code, signal }: HelperStatus): boolean {
  return signal !== null || code === 128 + SIGKILL;
}

const SIGKILL = 9;

interface Watch {
  arm(run: LiveRun): void;
  stop(): void;
}

/**
 * Ends the sandbox when its init has not ended a run in time. All runs share one timer, which is
 * not moved when a run begins or ends: it fires for the run that it was set for, and is then set
 * for the one that is due first. A timer for each run would be set and cleared with every call
 * (`deno task bench sandbox`, row "khachapuri, whole request").
 */
function createWatch(runs: readonly (LiveRun | null)[], terminate: () => void): Watch {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const arm = ({ overdueAt }: LiveRun) => {
    if (timer !== null || overdueAt === Infinity) return;
    timer = setTimeout(check, Math.max(0, overdueAt - performance.now()));
    Deno.unrefTimer(timer);
  };
  const check = () => {
    timer = null;
    const live = runs.filter((run) => run !== null);
    if (live.length === 0) return;
    const first = live.reduce((a, b) => a.overdueAt < b.overdueAt ? a : b);
    if (first.overdueAt <= performance.now()) terminate();
    else arm(first);
  };
  return {
    arm,
    stop() {
      if (timer !== null) clearTimeout(timer);
    },
  };
}

interface Channel {
  send(bytes: Uint8Array): void;
  close(): void;
}

/** Frames that are sent in one turn of the event loop leave in one write; they are its own then. */
function createChannel(stream: WritableStream<Uint8Array>): Channel {
  const writer = stream.getWriter();
  let waiting: Uint8Array[] = [];
  let pumping = false;
  let closed = false;
  const pump = async () => {
    try {
      while (waiting.length > 0 && !closed) {
        const batch = concat(waiting);
        if (waiting.length > 1) waiting.forEach(free);
        waiting = [];
        await writer.write(batch);
        free(batch);
      }
    } catch {
      closed = true; // The sandbox is gone, which ends the session too.
    }
    pumping = false;
    if (closed) await writer.close().catch(() => {});
  };
  const wake = () => {
    if (pumping) return;
    pumping = true;
    queueMicrotask(pump);
  };
  return {
    send(bytes) {
      waiting.push(bytes);
      wake();
    },
    close() {
      closed = true;
      wake();
    },
  };
}

/** The beginning of a stream as text; the rest is read and dropped. */
async function keepBeginning(
  stream: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<string> {
  const reader = stream.getReader({ mode: "byob" });
  const kept: Uint8Array[] = [];
  let left = bytesMax;
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(DIAGNOSTIC_READ_BYTES));
    if (done) break;
    if (left > 0) kept.push(value.subarray(0, left));
    left -= Math.min(left, value.length);
  }
  return new TextDecoder().decode(concat(kept)).trim();
}

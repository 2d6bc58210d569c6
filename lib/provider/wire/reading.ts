/**
 * Stands between a socket and who parses what comes on it: hands bytes over in small parts, each
 * when it is its turn, and stops reading the socket in between.
 */
import type { Socket } from "node:net";
import { nextTick } from "node:process";
import { type Pace, type Reader, TURN_MS, Usage } from "./pace.ts";

/** Bytes handed over at once: in chunks or frames of one byte they take less than a millisecond. */
export const PART_BYTES = { http1: 8 * 1024, http2: 1024 } as const;
/** Of a body that says its length so many: a parser looks at none of its bytes. */
export const PLAIN_PART_BYTES = 256 * 1024;

/** The system's side of a socket; node has no name for it. */
interface Handle {
  readStart(): void;
  readStop(): void;
}

export interface ReadingOptions {
  /** Below TLS: pausing a socket of TLS does not stop Deno 2.9 reading what it stands on. */
  readonly below: Socket | null;
  readonly pace: Pace;
  /** What shares its turns with other connections; null: this one alone. */
  readonly network: string | null;
  readonly partBytes: number;
  /** Bytes that may wait to be written before no more is read. */
  readonly untakenBytes: number;
  /** What is handed over of some bytes. */
  pass?(bytes: Uint8Array): Uint8Array;
}

type Listener = (bytes: Uint8Array) => void;

export class Reading implements Reader {
  readonly usage = new Usage();
  /** Bytes that were handed over. */
  handed = 0;
  readonly networkUsage: Usage;
  #parsers: readonly Listener[];
  #partBytes: number;
  /** What has come and was not handed over. */
  #rest: Uint8Array[] = [];
  /** Whether whoever parses wants more. */
  #isWanted = true;
  /** Whether what has come waits for its turn, or for the first. */
  #isHolding = true;
  #isHanding = false;
  #isReadingBelow = true;
  #isOver = false;
  /** Bytes behind what was handed over that are a body's, whatever they are. */
  #plainBytes = 0;
  readonly #pause: () => void;
  readonly #resume: () => void;

  /** Takes the place of those who listen to a socket's data, and of the socket before them. */
  constructor(private readonly socket: Socket, private readonly options: ReadingOptions) {
    const { pace, network } = options;
    this.networkUsage = network === null ? this.usage : pace.usageOf(network);
    this.#parsers = socket.listeners("data") as Listener[];
    this.#partBytes = options.partBytes;
    socket.removeAllListeners("data");
    socket.on("data", (bytes: Uint8Array) => this.#take(bytes));
    socket.on("drain", () => this.#onDrain());
    socket.once("close", () => this.end());
    const pause = socket.pause.bind(socket);
    const resume = socket.resume.bind(socket);
    this.#pause = () => {
      pause();
      this.#readBelow(false);
    };
    this.#resume = () => {
      this.#readBelow(true);
      resume();
    };
    Object.assign(socket, {
      pause: () => this.#want(false),
      resume: () => this.#want(true),
    });
    // A session of HTTP/2 drains the socket by itself in its first tick, past us: nothing may be
    // left there, so all that comes until then is taken.
    nextTick(() => this.#start());
  }

  /**
   * What was handed over was a request.
   * @param bodyBytes the length that its head says of its body; some may have come with the head
   */
  noteRequest(bodyBytes = 0): void {
    this.options.pace.excuse(this);
    this.#plainBytes = Math.max(0, bodyBytes - this.#partBytes);
  }

  /** What comes is `listener`'s from now on, who does not parse it: parts need not be small. */
  handTo(listener: Listener): void {
    this.#parsers = [listener];
    this.#partBytes = Infinity;
  }

  /** Hands nothing over any more; what comes is dropped. */
  end(): void {
    this.#isOver = true;
    this.#rest = [];
    this.options.pace.forget(this);
    this.#isHolding = false;
    if (!this.socket.destroyed) this.#resume();
  }

  #readBelow(isReading: boolean): void {
    if (this.#isReadingBelow === isReading) return;
    this.#isReadingBelow = isReading;
    const { _handle: handle } = (this.options.below ?? {}) as { _handle?: Handle | null };
    if (isReading) handle?.readStart();
    else handle?.readStop();
  }

  #start(): void {
    this.#isHolding = false;
    this.#goOn();
  }

  turn(): void {
    this.#isHolding = false;
    if (this.#isUntaken()) return this.#hold();
    if (this.#isWanted) this.options.pace.charge(this, () => this.#handPart());
    this.#goOn();
  }

  #want(isWanted: boolean): Socket {
    this.#isWanted = isWanted;
    if (!isWanted && !this.#isOver) this.#pause();
    // A parser is not handed more while it still looks at what it was handed.
    else if (!this.#isHolding && !this.#isHanding) this.#goOn();
    return this.socket;
  }

  #take(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#rest.push(bytes);
    if (this.#rest.length === 1 && !this.#isHolding) this.#goOn();
  }

  /** Hands over what may be now, in one go as long as that is short, and reads on after it. */
  #goOn(): void {
    const { pace } = this.options;
    for (let took = 0; this.#rest.length > 0;) {
      if (!this.#isWanted) return;
      if (took >= TURN_MS || this.#isUntaken() || !pace.mayRead(this)) return this.#hold();
      took += pace.charge(this, () => this.#handPart());
    }
    if (this.#isWanted) this.#resume();
  }

  #hold(): void {
    this.#isHolding = true;
    this.#pause();
    if (!this.#isUntaken()) this.options.pace.wait(this);
  }

  #onDrain(): void {
    if (this.#isHolding) this.options.pace.wait(this);
  }

  #isUntaken(): boolean {
    return this.socket.writableLength > this.options.untakenBytes;
  }

  #handPart(): void {
    const [first] = this.#rest;
    const plainBytes = Math.min(this.#plainBytes, PLAIN_PART_BYTES);
    const partBytes = Math.max(this.#partBytes, plainBytes);
    if (first!.length <= partBytes) this.#rest.shift();
    else this.#rest[0] = first!.subarray(partBytes);
    const bytes = first!.subarray(0, partBytes);
    this.#plainBytes = Math.max(0, this.#plainBytes - bytes.length);
    const part = this.options.pass?.(bytes) ?? bytes;
    if (part.length === 0) return;
    this.handed += part.length;
    this.#isHanding = true;
    for (const parse of this.#parsers) parse(part);
    this.#isHanding = false;
  }
}

/**
 * Stands between a socket and who parses what comes on it: hands bytes over in small parts, each
 * when it is its turn, and stops reading the socket in between.
 */
import type { Socket } from "node:net";
import { type Pace, type Reader, TURN_MS, Usage } from "./pace.ts";

/** Bytes handed over at once: in chunks or frames of one byte they take less than a millisecond. */
export const PART_BYTES = { http1: 8 * 1024, http2: 1024 } as const;

export interface ReadingOptions {
  readonly pace: Pace;
  /** What shares its turns with other connections; null: this one alone. */
  readonly network: string | null;
  readonly partBytes: number;
  /** Bytes that may wait to be written before no more is read. */
  readonly untakenBytes: number;
}

type Listener = (bytes: Uint8Array) => void;

export class Reading implements Reader {
  readonly usage = new Usage();
  readonly networkUsage: Usage;
  readonly #parsers: readonly Listener[];
  /** What has come and was not handed over. */
  #rest: Uint8Array[] = [];
  /** Whether the socket is paused by us, and not by who parses. */
  #isHolding = false;
  #isOver = false;

  /** Takes the place of those who listen to a socket's data. */
  constructor(private readonly socket: Socket, private readonly options: ReadingOptions) {
    const { pace, network } = options;
    this.networkUsage = network === null ? this.usage : pace.usageOf(network);
    this.#parsers = socket.listeners("data") as Listener[];
    socket.removeAllListeners("data");
    socket.on("data", (bytes: Uint8Array) => this.#take(bytes));
    socket.on("resume", () => this.#goOn());
    socket.on("drain", () => this.#onDrain());
    socket.once("close", () => this.end());
  }

  /** Hands nothing over any more; what comes is dropped. */
  end(): void {
    this.#isOver = true;
    this.#rest = [];
    this.options.pace.forget(this);
  }

  turn(): void {
    this.#isHolding = false;
    this.socket.resume();
    if (this.#isUntaken()) return this.#hold();
    this.options.pace.charge(this, () => this.#handPart());
    this.#goOn();
  }

  #take(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#rest.push(bytes);
    // Whoever parses may ask for more while what has come waits for its turn.
    if (this.#isHolding) this.socket.pause();
    else if (this.#rest.length === 1) this.#goOn();
  }

  /** Hands over what may be now, in one go as long as that is short. */
  #goOn(): void {
    const { pace } = this.options;
    for (let took = 0; this.#rest.length > 0 && !this.#isHolding;) {
      if (this.socket.isPaused()) return;
      if (took >= TURN_MS || this.#isUntaken() || !pace.mayRead(this)) return this.#hold();
      took += pace.charge(this, () => this.#handPart());
    }
  }

  #hold(): void {
    this.#isHolding = true;
    this.socket.pause();
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
    const { partBytes } = this.options;
    if (first!.length <= partBytes) this.#rest.shift();
    else this.#rest[0] = first!.subarray(partBytes);
    const part = first!.subarray(0, partBytes);
    for (const parse of this.#parsers) parse(part);
  }
}

/**
 * All connections: how many there may be, in total and of one network, and how long each may do
 * nothing. Strangers can open as many as they like; descriptors are few.
 */
import type { Socket } from "node:net";
import {
  ANSWER_REST_TIMEOUT_MS,
  CONNECTIONS_MAX,
  HEAD_TIMEOUT_MS,
  IDLE_CONNECTION_MS,
  NETWORK_CONNECTIONS_MAX,
} from "../../limits.ts";
import { HANDOVER_IDLE_MS } from "../../limits_of_handover.ts";
import type { WireUsage } from "../metrics/wire_usage.ts";
import { Connection, type State } from "./connection.ts";
import { NetworkCounts } from "../http/network_counts.ts";
import { Pace } from "./pace.ts";
import { Reading, type ReadingOptions } from "./reading.ts";
import { refuseLateHead } from "./refusal.ts";

/** A peer that has gone without a word is asked for after so long a silence, ms. */
const KEEP_ALIVE_MS = 30_000;
/** How often connections are looked through for those that take too long, ms. */
const SWEEP_MS = 1_000;

/** How long a connection may stay in a state, ms; what is served has limits of its own. */
const PATIENCE_MS = {
  new: HEAD_TIMEOUT_MS,
  idle: IDLE_CONNECTION_MS,
  ending: ANSWER_REST_TIMEOUT_MS,
  serving: Infinity,
  tunnel: Infinity,
} as const;

export interface ConnectionsOptions {
  /** What shares one bound with an address; null: it stands for many callers, and has none. */
  networkOf(address: string): string | null;
  readonly usage?: WireUsage;
  /** Whether nothing is to be said before TLS stands. */
  readonly isTls?: boolean;
  now?: () => number;
}

export class Connections {
  readonly #all = new Set<Connection>();
  readonly #bySocket = new WeakMap<Socket, Connection>();
  /** Those that are none of connections' bounds any more, but of tunnels'. */
  readonly #tunnels = new Set<Connection>();
  readonly #networks = new NetworkCounts(NETWORK_CONNECTIONS_MAX);
  readonly #options: ConnectionsOptions;
  readonly #pace: Pace;
  readonly #sweeper: ReturnType<typeof setInterval>;
  #accepted = 0;
  #isClosing = false;
  #isRetiring = false;
  #onEmpty: (() => void) | null = null;
  #tunnelMs = Infinity;
  /** As of the last sweep: ages need not be told more exactly than they are looked at. */
  #now: number;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    options.usage?.watch(this);
    this.#now = this.#clock();
    this.#pace = new Pace(options.now);
    this.#sweeper = setInterval(() => this.sweep(), SWEEP_MS);
    Deno.unrefTimer(this.#sweeper);
  }

  get size(): number {
    return this.#all.size;
  }

  /** How many there have been. */
  get accepted(): number {
    return this.#accepted;
  }

  /** How many do what. */
  states(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { state } of this.#all) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** Keeps a new connection, or ends it where there are too many. */
  admit(socket: Socket): void {
    this.#accepted += 1;
    // Without a listener of its own an error would end the process.
    socket.on("error", () => {});
    const network = this.#options.networkOf(socket.remoteAddress ?? "");
    const open = this.#all.size - this.#tunnels.size;
    const isFull = open >= CONNECTIONS_MAX && !this.#dropIdle();
    const refusal = this.#isClosing ? "closing" : isFull ? "full" : "network";
    if (this.#isClosing || isFull || !this.#networks.add(network)) {
      this.#options.usage?.refused(refusal);
      return void socket.destroy();
    }
    const connection = new Connection(socket, network, () => this.#now);
    if (this.#isRetiring) connection.retire();
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#all.add(connection);
    this.#bySocket.set(socket, connection);
    this.#watch(socket, connection);
    socket.once("close", () => {
      this.#all.delete(connection);
      this.#options.usage?.ended(socket.bytesRead, socket.bytesWritten);
      if (!this.#tunnels.delete(connection)) this.#networks.remove(network);
      if (this.#all.size === 0) this.#onEmpty?.();
    });
  }

  /** A connection is a tunnel from now on, which has bounds of its own. */
  letGo(connection: Connection): void {
    connection.enter("tunnel");
    if (!this.#all.has(connection)) return;
    this.#tunnels.add(connection);
    this.#networks.remove(connection.network);
    if (this.#isClosing) connection.endSoon();
    if (this.#isRetiring) this.#endLater(connection);
  }

  /** TLS stands on a connection from now on. */
  secure(raw: Socket, socket: Socket): Connection | null {
    const connection = this.#bySocket.get(raw);
    socket.on("error", () => {});
    if (!connection) {
      socket.destroy();
      return null;
    }
    connection.secure(socket);
    this.#bySocket.set(socket, connection);
    this.#watch(socket, connection);
    return connection;
  }

  /** Has what comes on a connection handed in turns to whoever listens to its socket by now. */
  pace(connection: Connection, how: Omit<ReadingOptions, "pace" | "network" | "below">): void {
    const { socket, below, network } = connection;
    connection.readIn(new Reading(socket, { ...how, pace: this.#pace, network, below }));
  }

  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  /** Ends what takes too long. */
  sweep(): void {
    this.#now = this.#clock();
    for (const connection of this.#all) {
      if (connection.age() <= this.#patienceMs(connection.state)) continue;
      if (connection.state === "ending") connection.cut();
      else if (connection.state === "new" && this.#maySay(connection)) {
        refuseLateHead(connection.socket);
      } else connection.destroy();
    }
  }

  #patienceMs(state: State): number {
    return this.#isRetiring && state === "idle" ? HANDOVER_IDLE_MS : PATIENCE_MS[state];
  }

  #maySay({ below }: Connection): boolean {
    return below !== null || !this.#options.isTls;
  }

  /** Takes no new ones, lets what is served end for `graceMs`, and then ends all. */
  async drain(graceMs: number): Promise<void> {
    this.#isClosing = true;
    for (const connection of this.#all) connection.endSoon();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, graceMs);
    const retired = this.#onEmpty;
    if (this.#all.size > 0) {
      await Promise.race([late.promise, new Promise<void>((resolve) => this.#onEmpty = resolve)]);
    }
    retired?.();
    clearTimeout(timer);
    clearInterval(this.#sweeper);
    for (const connection of this.#all) connection.destroy();
  }

  /**
   * What is served goes on, and the next request on each connection is served as its last. Resolves
   * when no connection is left.
   * @param tunnelMs how long those may last that are tunnels
   */
  async retire(tunnelMs: number): Promise<void> {
    this.#isRetiring = true;
    this.#tunnelMs = tunnelMs;
    for (const connection of this.#all) connection.retire();
    for (const tunnel of this.#tunnels) this.#endLater(tunnel);
    if (this.#all.size > 0) await new Promise<void>((resolve) => this.#onEmpty = resolve);
    if (!this.#isClosing) clearInterval(this.#sweeper);
  }

  #endLater(tunnel: Connection): void {
    const timer = setTimeout(() => tunnel.endSoon(), this.#tunnelMs);
    Deno.unrefTimer(timer);
  }

  /**
   * Whoever sends no more is taken to be gone: a caller that was killed cannot be told from one
   * that only closed its sending half.
   */
  #watch(socket: Socket, connection: Connection): void {
    socket.once("end", () => connection.leave());
    socket.once("close", () => connection.leave());
  }

  /** Makes room by ending the connection that has been idle for longest; false: there is none. */
  #dropIdle(): boolean {
    let oldest: Connection | null = null;
    for (const connection of this.#all) {
      const isIdle = connection.state === "idle" || connection.state === "new";
      if (isIdle && (!oldest || connection.age() > oldest.age())) oldest = connection;
    }
    if (!oldest) return false;
    this.#all.delete(oldest);
    oldest.destroy();
    return true;
  }

  #clock(): number {
    return this.#options.now?.() ?? performance.now();
  }
}

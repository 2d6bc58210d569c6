/** A TCP relay before a server, and what a network may do to all that goes through it. */
import { pause } from "../lib/pause.ts";

/** To the server, and back. */
export type Direction = "up" | "down";

const SIZE = 16_384;

/** A client's connection, and ours to the server for it. */
class Link {
  /** Which way nothing comes through any more. */
  readonly isLost = { up: false, down: false };
  readonly carried = { up: 0, down: 0 };
  #server: Deno.TcpConn | null = null;
  #isOver = false;

  constructor(private readonly wire: BrokenWire, private readonly client: Deno.TcpConn) {}

  /** Resolves when nothing is left of it. */
  async run(hostname: string, port: number): Promise<void> {
    const { client } = this;
    try {
      // To whom nothing comes through nobody comes, either.
      const server = this.isLost.up ? null : await Deno.connect({ hostname, port });
      this.#server = server;
      await Promise.all([
        this.#pump("up", client, server),
        server && this.#pump("down", server, client),
      ]);
    } catch {
      // A broken connection breaks the one behind it.
    } finally {
      this.end();
    }
  }

  async #pump(direction: Direction, from: Deno.TcpConn, to: Deno.TcpConn | null): Promise<void> {
    const buffer = new Uint8Array(SIZE);
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      const left = this.wire.limitOf(direction) - this.carried[direction];
      this.carried[direction] += count;
      await this.wire.opening();
      const allowed = Math.min(count, left);
      for (let at = 0; at < allowed && !this.isLost[direction];) {
        at += await to!.write(buffer.subarray(at, allowed));
      }
      if (count >= left) {
        this.wire.noteCut(direction);
        return this.end();
      }
    }
    await this.wire.opening();
    if (!this.isLost[direction]) await to!.closeWrite();
    // The other end is told nothing, and holds on.
    else if (this.isLost.up) await this.wire.closed;
  }

  /** The client hears that the server has said all. */
  halfClose(): void {
    this.isLost.down = true;
    this.client.closeWrite().catch(() => this.end());
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.client.close();
    this.#server?.close();
  }
}

export class BrokenWire implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #links = new Map<Link, Promise<void>>();
  readonly #limits: Record<Direction, number[]> = { up: [], down: [] };
  readonly #closed = Promise.withResolvers<void>();
  #opening = Promise.resolve();
  #open = () => {};
  #delayMs = 0;
  #isSwallowing = false;
  #taken = 0;
  #cuts = 0;

  /** One before the server that listens there. */
  constructor(port: number, hostname = "127.0.0.1") {
    (async () => {
      for await (const client of this.#listener) this.#take(client, hostname, port);
    })().catch(() => {});
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Connections through it at present. */
  get connections(): number {
    return this.#links.size;
  }

  /** Connections that it ever took. */
  get taken(): number {
    return this.#taken;
  }

  /** Connections that `cutAfter` broke. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Breaks all connections; new ones are taken. */
  cut(): void {
    for (const link of this.#links.keys()) link.end();
  }

  /**
   * Breaks the connections that carry so many bytes one way from now on, each when it has carried
   * its number, in their order; later ones go on.
   */
  cutAfter(direction: Direction, ...bytes: readonly number[]): void {
    this.#limits[direction].push(...bytes);
    for (const { carried } of this.#links.keys()) carried[direction] = 0;
  }

  /** From now on each piece takes longer, both ways. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Has the clients hear that the server has said all, and the server nothing. */
  halfClose(): void {
    for (const link of this.#links.keys()) link.halfClose();
  }

  /** From now on nothing arrives, nor ever will what is on its way. */
  swallow(): void {
    this.#isSwallowing = true;
    for (const { isLost } of this.#links.keys()) isLost.up = isLost.down = true;
  }

  /** From now on nothing arrives until `heal`: then all does, whoever has given up meanwhile. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#opening = promise;
    this.#open = resolve;
  }

  /** What comes now arrives; connections that were swallowed stay as they are. */
  heal(): void {
    this.#isSwallowing = false;
    this.#delayMs = 0;
    this.#open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.heal();
    this.#closed.resolve();
    this.cut();
    await Promise.all(this.#links.values());
  }

  /** When a piece may go on. */
  async opening(): Promise<void> {
    if (this.#delayMs > 0) await pause(this.#delayMs);
    await this.#opening;
  }

  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  limitOf(direction: Direction): number {
    return this.#limits[direction][0] ?? Infinity;
  }

  noteCut(direction: Direction): void {
    this.#limits[direction].shift();
    this.#cuts++;
  }

  #take(client: Deno.TcpConn, hostname: string, port: number): void {
    this.#taken++;
    const link = new Link(this, client);
    link.isLost.up = link.isLost.down = this.#isSwallowing;
    const run = link.run(hostname, port).finally(() => this.#links.delete(link));
    this.#links.set(link, run);
  }
}

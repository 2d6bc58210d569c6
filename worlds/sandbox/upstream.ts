/** A server outside that sends back what it gets, and knows of its connections. */
export class Upstream implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly address = `127.0.0.1:${this.#listener.addr.port}`;
  readonly port = this.#listener.addr.port;
  accepted = 0;
  /** At once. */
  most = 0;
  /** From which a connection came. */
  lowestPort = 65_535;
  #ended = Promise.withResolvers<void>();
  readonly #serving = this.#serve();

  /** Resolves when a connection has ended and none is left. */
  async drained(): Promise<void> {
    while (this.accepted === 0 || this.#open.size > 0) await this.#ended.promise;
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) {
      this.accepted += 1;
      this.lowestPort = Math.min(this.lowestPort, connection.remoteAddr.port);
      this.#open.add(connection);
      this.most = Math.max(this.most, this.#open.size);
      void this.#echo(connection);
    }
  }

  async #echo(connection: Deno.Conn): Promise<void> {
    await connection.readable.pipeTo(connection.writable).catch(() => {});
    this.#open.delete(connection);
    const { resolve } = this.#ended;
    this.#ended = Promise.withResolvers();
    resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#open) closeOnce(connection);
    await this.#serving.catch(() => {});
  }
}

/** Its echo may have closed it a moment ago, and not said so yet. */
function closeOnce(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}

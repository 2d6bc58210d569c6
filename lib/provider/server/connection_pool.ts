/** Connections to one instance on which nothing is under way. */
import type { ServerConnection } from "./connection.ts";

/**
 * How long one is kept, ms: shorter than any server keeps them, as gunicorn does for 2 s, so that
 * few requests meet one that is being closed; and a server that serves one connection at a time
 * is not held up for longer by one that says nothing.
 */
const KEPT_MS = 1_000;

interface Idle {
  readonly connection: ServerConnection;
  readonly since: number;
}

export class ConnectionPool {
  /** The one used last comes last. */
  readonly #idle: Idle[] = [];

  /** The one used last, which the server will close last; null: there is none. */
  take(now: number): ServerConnection | null {
    for (;;) {
      const idle = this.#idle.pop();
      if (!idle) return null;
      if (idle.connection.isOpen && now - idle.since < KEPT_MS) return idle.connection;
      idle.connection.close();
    }
  }

  /** @returns when it will have been kept for too long */
  put(connection: ServerConnection, now: number): number {
    this.#idle.push({ connection, since: now });
    return now + KEPT_MS;
  }

  /** Closes those kept for too long; returns when the next will have been, `Infinity`: none. */
  sweep(now: number): number {
    const young = this.#idle.findIndex(({ since }) => now - since < KEPT_MS);
    const old = this.#idle.splice(0, young < 0 ? this.#idle.length : young);
    for (const { connection } of old) connection.close();
    return this.#idle.length === 0 ? Infinity : this.#idle[0]!.since + KEPT_MS;
  }

  clear(): void {
    for (const { connection } of this.#idle.splice(0)) connection.close();
  }
}

/**
 * Makes sure that connections are still accepted. Once the process has had no descriptor left for
 * one, node's server in Deno accepts none any more and says nothing. So from time to time somebody
 * knocks, and when nobody opens, the port is listened on anew.
 */
import { connect, type Server } from "node:net";
import type { Log } from "../../log.ts";
import type { Connections } from "./connections.ts";
import { listenOptions, type Place } from "./place.ts";

export type Address = Extract<Place, { port: number }>;

/** How often somebody knocks, unless somebody came anyway, ms. */
const KNOCK_MS = 5_000;
/** How long it may take to open, ms, in a process that gets to look so many times. */
const OPEN_MS = 2_000;
const LOOKS = 20;
/** Between two attempts to listen again, ms. */
const RELISTEN_MS = 1_000;

export class Hearing {
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;

  constructor(
    private readonly server: Server,
    private readonly address: Address,
    private readonly connections: Pick<Connections, "accepted">,
    private readonly log: Log,
    private readonly knockMs = KNOCK_MS,
    private readonly openMs = OPEN_MS,
  ) {
    server.on("error", (error: Error) => this.#listenAgain(error));
    this.#wait(connections.accepted);
  }

  close(): void {
    this.#isClosed = true;
    this.#clear();
  }

  /** @param accepted how many connections there had been when it began to wait */
  #wait(accepted: number): void {
    this.#later(this.knockMs, () => {
      if (this.connections.accepted > accepted) this.#wait(this.connections.accepted);
      else this.#knock();
    });
  }

  #knock(): void {
    const before = this.connections.accepted;
    const { hostname, port } = this.address;
    const socket = connect(port, isAny(hostname) ? "127.0.0.1" : hostname.replace(/^\[|\]$/g, ""));
    socket.on("error", () => {});
    this.#look(LOOKS, before, () => socket.destroy());
  }

  /**
   * A process that others keep from running hears its clock before it hears who knocked: it counts
   * how often it came to listen, not only how much time has passed.
   */
  #look(left: number, before: number, leave: () => void): void {
    this.#later(this.openMs / LOOKS, () => {
      const isOpen = this.connections.accepted > before;
      if (!isOpen && left > 1) return this.#look(left - 1, before, leave);
      leave();
      if (isOpen) this.#wait(this.connections.accepted);
      else this.#listenAgain(new Error("nobody answers the door"));
    });
  }

  #listenAgain(error: Error): void {
    if (this.#isClosed) return;
    if ("onLost" in this.address) {
      this.log.error("connections are not accepted any more", { error });
      this.close();
      return this.address.onLost();
    }
    this.log.error("connections are not accepted any more, listening again", { error });
    this.server.close();
    this.#later(RELISTEN_MS, () => {
      this.server.listen(listenOptions(this.address), () => this.#wait(this.connections.accepted));
    });
  }

  #later(ms: number, callback: () => void): void {
    this.#clear();
    if (this.#isClosed) return;
    // It keeps the process alive, as between two attempts to listen nothing else may.
    this.#timer = setTimeout(callback, ms);
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** An address to listen on that nobody can be reached at. */
function isAny(hostname: string): boolean {
  return hostname === "0.0.0.0" || hostname === "::" || hostname === "[::]";
}

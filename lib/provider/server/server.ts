/** The server of one deployment: its instances, from the first request to the end of the last. */
import type { Instance } from "../../../sandbox/instance.ts";
import type { RunLimits } from "../../../sandbox/sandbox.ts";
import { KhachapuriError } from "../../errors.ts";
import { type Clock, systemClock } from "../../ipfs/clock.ts";
import type { InstanceBudget } from "./instance_budget.ts";
import type { Seat, ServerEvent, ServerView } from "./life.ts";

export interface ServerOptions {
  /** Starts an instance, which is told its number. */
  open(
    instance: number,
    onOutput: (bytes: Uint8Array) => void | Promise<void>,
  ): Promise<Instance>;
  /** Of one request. */
  limits: RunLimits;
  /** What its deployment asks for: instances at most, and requests at a time of each. */
  wish: { instances: number; concurrency: number };
  /** Shared by all servers of this machine. */
  budget: InstanceBudget;
  /** An instance that nobody needs for this long ends. */
  idleMs: number;
  /** Where it has to listen, in words: "127.0.0.1:8080". */
  listensOn: string;
  onEvent(event: ServerEvent): void;
  /** It has no instance, nobody waits for one, and it has nothing to remember. */
  onIdle?(): void;
  clock?: Clock;
}

export class Server {
  constructor(
    private readonly options: ServerOptions,
    private readonly clock: Clock = options.clock ?? systemClock,
  ) {}

  /**
   * A place for one request: at once where an instance has one, else once one has come to listen.
   * @throws KhachapuriError `program_failed` when its program cannot be started, `overloaded` when
   * all places are taken for long
   */
  seat(): Promise<Seat> {
    return Promise.reject(new KhachapuriError("not_implemented", this.options.listensOn));
  }

  /** Takes no more requests; resolves when those that it has are over and all of it is gone. */
  async drain(): Promise<void> {}

  /** Ends it with all that it is doing; resolves when all of it is gone. */
  async close(): Promise<void> {}

  view(): ServerView {
    return { instances: [], restarts: this.clock.now() * 0 };
  }
}

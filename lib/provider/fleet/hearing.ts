/** Who waits until all nodes have read something: however many they are, one look serves all. */
import { KhachapuriError } from "../../errors.ts";
import { HEARING_MAX } from "../../limits_of_peers.ts";
import { pause } from "../../pause.ts";
import type { SharedLog } from "./shared_log.ts";

/** Between two looks, ms. */
const LOOK_MS = 100;
/** Longer than a session lives that nobody prolongs, and than a client waits, ms. */
const PATIENCE_MS = 12_000;

interface Waiter {
  readonly seq: number;
  /** On the clock of `performance`, ms. */
  readonly until: number;
  resolve(): void;
  reject(error: unknown): void;
}

export class Hearing {
  readonly #waiting = new Set<Waiter>();
  /** Of this node, as who came last has it. */
  #session = 0;
  #isLooking = false;

  constructor(private readonly log: Pick<SharedLog, "seenElsewhere">) {}

  /**
   * Resolves when all other nodes that live have read up to `seq`. One that is silent is waited for
   * until its session is over: then it can charge nothing any more.
   * @param session of this node
   * @throws KhachapuriError `database_unavailable`; `provider_unavailable` when one lives and does
   *   not, and where too many wait
   */
  async wait(seq: number, session: number): Promise<void> {
    if (this.#waiting.size >= HEARING_MAX) throw unheard();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.add({ seq, until: performance.now() + PATIENCE_MS, resolve, reject });
    this.#session = session;
    if (!this.#isLooking) void this.#look();
    await promise;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    while (this.#waiting.size > 0) {
      // Who comes while it looks is served by the next.
      const asking = [...this.#waiting];
      try {
        this.#serve(asking, await this.log.seenElsewhere(this.#session));
      } catch (error) {
        for (const waiter of asking) this.#leave(waiter, () => waiter.reject(error));
      }
      if (this.#waiting.size > 0) await pause(LOOK_MS);
    }
    this.#isLooking = false;
  }

  #serve(asking: readonly Waiter[], seen: number): void {
    const now = performance.now();
    for (const waiter of asking) {
      if (waiter.seq <= seen) this.#leave(waiter, () => waiter.resolve());
      else if (now >= waiter.until) this.#leave(waiter, () => waiter.reject(unheard()));
    }
  }

  #leave(waiter: Waiter, tell: () => void): void {
    this.#waiting.delete(waiter);
    tell();
  }
}

function unheard(): KhachapuriError {
  return new KhachapuriError("provider_unavailable", "a node of this provider has not heard yet", {
    retryAfterSeconds: 1,
    hints: ["it is written down, and counts there from when it hears of it; ask again"],
  });
}

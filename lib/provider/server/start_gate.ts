/**
 * How many instances of this machine come up at the same time, of all servers together: a start
 * computes for seconds, and a call that pays for it is one call. Those beyond wait their turn.
 */
import { SERVER_STARTS_OF_OWNER_MAX, serverStartsMax } from "../../limits_of_servers.ts";

/** One start, until it is over. */
export interface Turn {
  /** Calling it again does nothing. */
  leave(): void;
}

/** The gate, for the servers of one owner. */
export interface Turns {
  /**
   * A turn to start an instance; null while it is others'.
   * @param onTurn called once, when asking again makes sense; the same function waits only once
   */
  take(onTurn: () => void): Turn | null;
  /** Who waited needs none any more. */
  forget(onTurn: () => void): void;
}

export class StartGate {
  /** The owner of each start that goes on. */
  readonly #starting: string[] = [];
  readonly #waiting = new Set<() => void>();

  /** @param max starts at a time */
  constructor(private readonly max: number = serverStartsMax(navigator.hardwareConcurrency)) {}

  /** @param isPaying whether it has paid here: the others, whom keys cost nothing, share a half */
  of(owner: string, isPaying: () => boolean): Turns {
    return {
      take: (onTurn) => this.#take(owner, isPaying(), onTurn),
      forget: (onTurn) => void this.#waiting.delete(onTurn),
    };
  }

  #take(owner: string, isPaying: boolean, onTurn: () => void): Turn | null {
    const own = this.#starting.filter((other) => other === owner).length;
    const room = isPaying ? this.max : Math.ceil(this.max / 2);
    if (this.#starting.length >= room || own >= SERVER_STARTS_OF_OWNER_MAX) {
      this.#waiting.add(onTurn);
      return null;
    }
    this.#waiting.delete(onTurn);
    this.#starting.push(owner);
    let isOver = false;
    return {
      leave: () => {
        if (isOver) return;
        isOver = true;
        this.#leave(owner);
      },
    };
  }

  #leave(owner: string): void {
    this.#starting.splice(this.#starting.indexOf(owner), 1);
    // All are asked, in turn, as the first of them may not have this one.
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const onTurn of waiting) onTurn();
  }
}

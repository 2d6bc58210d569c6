/**
 * How many credits of a lane a node holds for calls that have not come: as many as come while the
 * database is asked. What no call takes goes back within a second.
 */
import { DEPLOYMENT_CONCURRENCY_MAX } from "../../../limits.ts";

export class Ahead {
  /** In hand, for whichever call comes. */
  #spare = 0;
  /** Wanted with a turn that is under way. */
  #asked = 0;
  /** How many there may be. */
  #depth = 1;
  #calls = 0;
  /** The fewest that there were since the last sweep: nobody has missed these. */
  #idle = 0;

  /** @param onChange told by how many there will be more, or fewer, in hand */
  constructor(private readonly onChange: (by: number) => void = () => {}) {}

  get spare(): number {
    return this.#spare;
  }

  /** Whether calls come so that some are worth holding ahead. */
  get isUsed(): boolean {
    return this.#calls > 1;
  }

  /** A call has come; whether there is one for it. */
  take(): boolean {
    this.#calls += 1;
    if (this.takeLate()) return true;
    if (this.#calls > 1 && this.#depth < DEPLOYMENT_CONCURRENCY_MAX) this.#depth += 1;
    this.#idle = 0;
    return false;
  }

  /** For a call that has been counted, and waited: whether there is one by now. */
  takeLate(): boolean {
    if (this.#spare === 0) return false;
    this.#change(-1);
    this.#idle = Math.min(this.#idle, this.#spare);
    return true;
  }

  /** How many more to want with the next turn. */
  wanted(): number {
    if (!this.isUsed) return 0;
    return Math.max(0, this.#depth - this.#spare - this.#asked);
  }

  ask(count: number): void {
    this.#asked += count;
  }

  /** The turn is over, and so many of them were granted. */
  answer(asked: number, granted: number): void {
    this.#asked -= asked;
    this.#change(granted);
  }

  /** Half a second went by. @returns how many go back */
  sweep(): number {
    const back = Math.min(this.#idle, this.#spare);
    this.#change(-back);
    this.#idle = this.#spare;
    if (back > 0) this.#depth = Math.max(1, this.#depth - back);
    if (this.#spare === 0 && back > 0) this.#calls = 0;
    return back;
  }

  /** None are held, and none are on their way. */
  beginAnew(): void {
    this.giveBack();
    this.#asked = 0;
  }

  /** All of them go back. */
  giveBack(): number {
    const back = this.#spare;
    this.#change(-back);
    this.#idle = 0;
    return back;
  }

  #change(by: number): void {
    if (by !== 0) this.onChange(by);
    this.#spare += by;
  }
}

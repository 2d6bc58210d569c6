/** The place of one call: taken once, and given back once, also if it comes too late. */
import type { SeatWait } from "../server/life.ts";
import { leave, type ProgramPlace } from "./interface/interface.ts";
import type { Workplace } from "./workplace.ts";

export class HeldPlace {
  #place: ProgramPlace | null = null;
  #isLeft = false;

  constructor(private readonly workplace: Pick<Workplace, "take">) {}

  take(): ProgramPlace | SeatWait {
    const taken = this.workplace.take();
    if (!(taken instanceof Promise)) return this.#place = taken;
    taken.then((place) => this.#isLeft ? leave(place) : this.#place = place, () => {});
    return taken;
  }

  leave(): void {
    this.#isLeft = true;
    if (this.#place !== null) leave(this.#place);
    this.#place = null;
  }
}

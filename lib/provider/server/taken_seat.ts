/** A place at an instance, from when it is taken until its request is sent, or will not be. */
import type { RunLimits } from "../../../sandbox/sandbox.ts";
import type { ServerRequest } from "./exchange.ts";
import type { Seat, ServerRun } from "./life.ts";

/** The instance, as far as places at it go. */
export interface SeatHost {
  readonly limits: RunLimits;
  /** Sends a request, which frees the place when it is over, or is a tunnel. */
  begin(request: ServerRequest): ServerRun;
  leaveSeat(): void;
}

export class TakenSeat implements Seat {
  #isHeld = true;

  constructor(private readonly host: SeatHost) {}

  get limits(): RunLimits {
    return this.host.limits;
  }

  send(request: ServerRequest): ServerRun {
    if (!this.#isHeld) throw new Error("a seat is good for one request");
    this.#isHeld = false;
    return this.host.begin(request);
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.host.leaveSeat();
  }
}

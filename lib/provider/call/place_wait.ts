/**
 * A call waits for a place at a server, with its credit held: somebody pays for the instance that
 * is started for it, whatever comes of that.
 */
import { asKhachapuriError, isProgramsOwn, KhachapuriError } from "../../errors.ts";
import { hungUp } from "../http/request_body.ts";
import type { Seat, SeatWait } from "../server/life.ts";
import type { StartDebits } from "./parts.ts";
import type { Slot } from "./taken_slot.ts";
import type { Waiting } from "./waiting_room.ts";

export class PlaceWait {
  /** Null while its caller is there; then whether an instance was being started. */
  #leftAStart: boolean | null = null;
  /** For its slot, once its place has come. */
  #back: Waiting<void> | null = null;

  constructor(
    private readonly wait: SeatWait,
    private readonly slot: Slot,
    private readonly debits: StartDebits,
  ) {}

  /** The caller has gone. */
  giveUp(): void {
    this.#leftAStart ??= this.wait.giveUp();
    this.#back?.giveUp();
  }

  /**
   * The place; or why there is none, which is the call's to pay.
   * @throws KhachapuriError why there is none, where the call costs nothing
   */
  async place(): Promise<Seat | KhachapuriError> {
    this.slot.stepAside();
    let seat: Seat;
    try {
      seat = await this.wait;
    } catch (thrown) {
      return await this.#owed(asKhachapuriError(thrown));
    }
    this.#back = this.slot.comeBack();
    await this.#back;
    return seat;
  }

  /** @throws KhachapuriError `why`, or that the caller hung up, where that costs nothing */
  async #owed(why: KhachapuriError): Promise<KhachapuriError> {
    if (this.#leftAStart) return leftAStart();
    if (this.#leftAStart === false) throw hungUp();
    const isPaid = isProgramsOwn(why) ? await this.debits.of(why) : null;
    if (isPaid === false) return why;
    throw why;
  }
}

/** Who could start servers and leave for nothing, could have us start them all day. */
function leftAStart(): KhachapuriError {
  const text = "the caller hung up while a server was started for its request";
  return new KhachapuriError("program_limit", text, { data: { limit: "aborted" } });
}

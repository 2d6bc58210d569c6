/** What runs are told whose node was silent for so long that others gave back what it held. */
import { KhachapuriError } from "../../../errors.ts";

const WORDS = "this node was cut off from the others for too long";

/** Their charge was not sent, and will not be. */
export function sessionLost(): KhachapuriError {
  return new KhachapuriError("overloaded", WORDS, {
    retryAfterSeconds: 1,
    hints: ["nothing was charged; try again"],
  });
}

/** Their charge was under way, and may have come before others gave back what it was held by. */
export function lostUnderWay(): KhachapuriError {
  return new KhachapuriError("overloaded", WORDS, {
    retryAfterSeconds: 1,
    hints: [
      "whether this was charged is not known; with an Idempotency-Key it is charged once, however " +
      "often you ask",
    ],
  });
}

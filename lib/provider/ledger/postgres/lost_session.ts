/** What runs are told whose node, or its database, was silent for too long. */
import { KhachapuriError } from "../../../errors.ts";

/** Others gave back what the node held: their charge was not carried out, and will not be. */
export function sessionLost(): KhachapuriError {
  return new KhachapuriError(
    "overloaded",
    "this node was cut off from the others for too long",
    { retryAfterSeconds: 1, hints: ["nothing was charged; try again"] },
  );
}

/** Their charge is under way, and may be carried out still; other errors stay as they are. */
export function chargeUnknown(error: unknown): unknown {
  if (!(error instanceof KhachapuriError) || error.code !== "database_unavailable") return error;
  return error.toldWith({
    hints: [
      "whether this was charged is not known; with an Idempotency-Key it is charged once, however " +
      "often you ask",
      ...error.hints,
    ],
  });
}

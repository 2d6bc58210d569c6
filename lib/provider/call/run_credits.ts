/** How many credits a run may take is told to who has to pay for them. */
import { KhachapuriError } from "../../errors.ts";

/** A call that nobody pays for, with what a permit for all of its run covers; else what it is. */
export function withCreditsMax(thrown: unknown, creditsMax: number): unknown {
  if (!(thrown instanceof KhachapuriError) || thrown.code !== "payment_required") return thrown;
  return thrown.toldWith({ creditsMax });
}

/** How much strangers may cost an owner in a minute, and what they are told beyond it. */
import { KhachapuriError } from "../../errors.ts";

export function tooFast(perMinute: number, waitSeconds: number): KhachapuriError {
  return new KhachapuriError("rate_limited", `the owner pays for ${perMinute} credits a minute`, {
    retryAfterSeconds: Math.ceil(waitSeconds),
    hints: ["or pay with a permit of your own"],
  });
}

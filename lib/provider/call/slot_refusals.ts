/** What those are told who get no slot, or no further credit. */
import { KhachapuriError } from "../../errors.ts";
import { SLOT_REFUSALS_KEPT_MAX } from "../../limits_of_slots.ts";
import { Lru } from "../../lru.ts";
import { prepared } from "../http/failure.ts";
import type { Refusal } from "./parties.ts";

/** Those that were told to nobody's name: under load the same is said a thousand times a second. */
const KNOWN = new Lru<string, KhachapuriError>(SLOT_REFUSALS_KEPT_MAX);

/** @param concurrency runs of the deployment at a time */
export function noSlot({ isOwnLimit, reason, retryMs }: Refusal, concurrency: number) {
  const retryAfterSeconds = Math.max(1, Math.ceil(retryMs / 1_000));
  const what = isOwnLimit
    ? `this deployment runs ${concurrency} calls at a time`
    : "all slots of this provider that the call could have are busy";
  const message = reason === "late" ? `${what}, and none ended in time` : what;
  const code = isOwnLimit ? "rate_limited" : "overloaded";
  return KNOWN.getOrInsertComputed(
    `${retryAfterSeconds} ${message}`,
    () => prepared(new KhachapuriError(code, message, { retryAfterSeconds })),
  );
}

export function wantedByOthers(): KhachapuriError {
  const why = "this deployment has more than its share of the slots, and another finds none";
  return new KhachapuriError("overloaded", why, { retryAfterSeconds: 1 });
}

export function shuttingDown(): KhachapuriError {
  return new KhachapuriError("overloaded", "the provider is shutting down", {
    retryAfterSeconds: 1,
  });
}

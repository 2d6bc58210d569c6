/**
 * Turns at fetching and unpacking programs, by owner: a program that nobody has takes a minute to
 * fail, and costs nothing.
 */
import type { Address } from "viem";
import { KhachapuriError } from "../../errors.ts";
import {
  OWNER_PROGRAM_STARTS_MAX,
  OWNER_PROGRAM_STARTS_WAITING_MAX,
  PROGRAM_START_WAIT_MS,
  PROGRAM_STARTS_MAX,
  PROGRAM_STARTS_WAITING_MAX,
  STRANGER_PROGRAM_STARTS_MAX,
} from "../../limits.ts";
import type { Clock } from "../../clock.ts";
import { FairTurns } from "../deployment/fair_turns.ts";

/**
 * Keys cost nothing: owners whom nobody has paid for leave room for those that had paid calls here.
 * @param isPaying whether an owner has a deployment here that was paid for
 */
export function programStarts(
  isPaying: (owner: Address) => boolean,
  clock?: Clock,
): FairTurns<Address> {
  return new FairTurns({
    hasRoom(owner, own, all) {
      const most = isPaying(owner) ? PROGRAM_STARTS_MAX : STRANGER_PROGRAM_STARTS_MAX;
      return own < OWNER_PROGRAM_STARTS_MAX && all < most;
    },
    waitMs: PROGRAM_START_WAIT_MS,
    waitingMax: PROGRAM_STARTS_WAITING_MAX,
    groupWaitingMax: OWNER_PROGRAM_STARTS_WAITING_MAX,
    refusal: tooManyStarts,
    ...(clock ? { clock } : {}),
  });
}

function tooManyStarts(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many programs are being fetched", {
    retryAfterSeconds: 2,
  });
}

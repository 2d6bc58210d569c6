/**
 * Turns at starting programs, by owner: at fetching and unpacking them, as a program that nobody
 * has takes a minute to fail, and costs nothing; and then at setting up their sandboxes.
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
import { SETUP_WAIT_MS, SETUPS_MAX } from "../../limits_of_sandboxes.ts";
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

/**
 * Each sandbox is a session of its own, to which the kernel gives as much of the processors as to
 * the provider: of a hundred set up at once nobody else would get an answer (`deno task bench
 * growth --only=storms`, "longest wait of others"). How many wait is bounded by the sandboxes that
 * may be open.
 */
export function sandboxSetups(clock?: Clock): FairTurns<Address> {
  return new FairTurns({
    hasRoom: (_owner, _own, all) => all < SETUPS_MAX,
    waitMs: SETUP_WAIT_MS,
    waitingMax: Infinity,
    groupWaitingMax: Infinity,
    refusal: tooManySetups,
    ...(clock ? { clock } : {}),
  });
}

function tooManySetups(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many sandboxes are being set up", {
    retryAfterSeconds: 2,
  });
}

function tooManyStarts(): KhachapuriError {
  return new KhachapuriError("overloaded", "too many programs are being fetched", {
    retryAfterSeconds: 2,
  });
}

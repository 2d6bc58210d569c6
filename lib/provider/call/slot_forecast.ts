/** When a call that finds no slot would have one. */
import type { Gate, Owner, Payer } from "./parties.ts";
import type { RunPace } from "./run_pace.ts";

/** Who calls, and what; a payer that has no calls here may be unknown. */
export interface Caller {
  readonly gate: Gate;
  readonly payer: Payer | undefined;
}

/** The queue that it would wait in. */
export interface Around {
  readonly slots: number;
  readonly busy: number;
  /** Owners that have calls or runs, or this call. */
  readonly active: number;
  /** Owners of which a call could begin. */
  readonly ready: number;
  /** Of all runs. */
  readonly pace: RunPace;
  /** Whether there is a slot for it, if its deployment's own limit allows. */
  readonly hasSlot: boolean;
}

/** ms. */
export interface Forecast {
  /** Until its deployment's own limit allows one more; */
  readonly ownMs: number;
  /** until it has a slot; */
  readonly slotMs: number;
  /** which of the two it is that it waits for; */
  readonly isOwnLimit: boolean;
  /** and from then on until the next of its payer's. */
  readonly stepMs: number;
}

export function forecastOf(caller: Caller, around: Around, now: number): Forecast {
  const { gate, payer } = caller;
  const { owner, concurrency, pace } = gate;
  const inGate = placeAmong({
    all: gate.waiting,
    parties: gate.lines.size,
    own: payer?.lines.get(gate)?.turns.size ?? 0,
  });
  const inOwner = placeAmong({
    all: owner.waiting - owner.limited,
    parties: owner.payersWaiting,
    own: payer?.waiting ?? 0,
  });
  const ownMs = gate.isOpen() ? 0 : pace.untilEnded(inGate.ahead + 1, concurrency, now);
  const slot = ownersForecast(owner, inOwner.ahead, around, now);
  const slotMs = around.hasSlot ? 0 : slot.ms;
  const isOwnLimit = !gate.isOpen() && ownMs >= slotMs;
  const stepMs = isOwnLimit
    ? inGate.takers * pace.runMs(now) / concurrency
    : inOwner.takers * slot.stepMs;
  return { ownMs, slotMs, isOwnLimit, stepMs };
}

/**
 * Where somebody's next call is among those that wait, whose payers take turns: behind its own, and
 * behind as many and one more of each of the others.
 * @returns with how many, itself among them, it takes turns from then on
 */
function placeAmong({ all, parties, own }: { all: number; parties: number; own: number }) {
  const takers = own > 0 ? parties : parties + 1;
  const before = Math.min(own, all);
  return { ahead: before + Math.min(all - before, (takers - 1) * (before + 1)), takers };
}

/**
 * When a slot is an owner's of whose calls so many go before, and then the next one. While it holds
 * less than an even part it is any run's end that it waits for, in turns with the other owners;
 * beyond that, the end of one of its own.
 */
function ownersForecast(owner: Owner, ahead: number, around: Around, now: number) {
  const { slots, active, ready, pace } = around;
  const even = active > 1 ? Math.max(1, Math.floor(slots / active)) : 0;
  const { held } = owner.share;
  const claims = Math.max(0, even - held);
  if (ahead < claims) {
    const busy = Math.max(1, around.busy);
    const takers = ready + (owner.heapAt >= 0 ? 0 : 1);
    return {
      ms: pace.untilEnded((ahead + 1) * takers, busy, now),
      stepMs: takers * pace.runMs(now) / busy,
    };
  }
  const atATime = Math.max(1, held, even);
  return {
    ms: owner.pace.untilEnded(ahead + 1 - claims, atATime, now),
    stepMs: owner.pace.runMs(now) / atATime,
  };
}

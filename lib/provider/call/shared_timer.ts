/**
 * A clock for many who wait and hardly ever wait to the end, as each call's next credit does. They
 * share one timer, which is left to fire: setting and clearing one for each call takes longer than
 * most else that is done for a request to a server (`deno task bench http`).
 */
import type { Clock } from "../../clock.ts";
import { type Transient, TransientSet } from "../../transient_set.ts";
import { Alarm, monotonicClock } from "../../alarm.ts";

/** The timer is set for no later than this, ms: one that nobody waits for holds up no exit long. */
const LOOK_MS = 1_000;

interface Waiting extends Transient {
  readonly at: number;
  readonly callback: () => void;
}

/** @param clock has the time and the one timer */
export function sharedTimer(clock: Clock): Clock {
  const all = new TransientSet<Waiting>();
  const alarm = new Alarm(clock, (now) => {
    let next = now + LOOK_MS;
    for (const waiting of all.all()) {
      if (waiting.at > now) next = Math.min(next, waiting.at);
      else if (all.delete(waiting)) waiting.callback();
    }
    return all.size === 0 ? Infinity : next;
  });
  return {
    now: () => clock.now(),
    after(ms, callback) {
      const waiting: Waiting = { at: clock.now() + ms, callback, place: -1 };
      all.add(waiting);
      alarm.by(waiting.at - Math.max(0, ms - LOOK_MS));
      return () => void all.delete(waiting);
    },
  };
}

/** Of all calls: counts from the process's start, as a run's times do. */
export const sharedClock: Clock = sharedTimer(monotonicClock);

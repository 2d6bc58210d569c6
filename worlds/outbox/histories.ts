/**
 * Every course of events up to a length, over an outbox in plain data. Two courses that lead to the
 * same situation have the same future, so each situation is gone on from once.
 */
import { CHAIN_EVENTS, type ChainEvent } from "./chain.ts";
import { apply, type Event, type Model, newModel, OWN_EVENTS } from "./model.ts";
import type { Policy } from "../../lib/chain/outbox/plan.ts";

const EVENTS: readonly Event[] = [...OWN_EVENTS, ...Object.keys(CHAIN_EVENTS) as ChainEvent[]];

interface Situation {
  /** The model as JSON, which compares and copies it. */
  key: string;
  before: Situation | null;
  event: Event | null;
}

export interface History {
  events(): readonly Event[];
  /** A copy, free to be changed. */
  model: Model;
}

/**
 * Every situation that `length` events or fewer lead to, with a shortest way to it.
 * @throws Error with the events, when one of them breaks a rule
 */
export function* histories(policy: Policy, length: number): Generator<History> {
  let latest: Situation[] = [{ key: JSON.stringify(newModel()), before: null, event: null }];
  const known = new Set(latest.map(({ key }) => key));
  for (let done = 0; done < length; done++) {
    const next: Situation[] = [];
    for (const before of latest) {
      for (const event of EVENTS) {
        const model = JSON.parse(before.key) as Model;
        withHistory(() => eventsOf({ key: "", before, event }), () => apply(model, event, policy));
        const key = JSON.stringify(model);
        if (known.has(key)) continue;
        known.add(key);
        const situation = { key, before, event };
        next.push(situation);
        yield { events: () => eventsOf(situation), model };
      }
    }
    latest = next;
  }
}

/** Runs `work`; what it throws says after which events. */
export function withHistory(events: () => readonly Event[], work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw new Error(`after ${events().join(", ")}: ${(cause as Error).message}`, { cause });
  }
}

function eventsOf(situation: Situation): Event[] {
  const events: Event[] = [];
  for (let at: Situation | null = situation; at?.event; at = at.before) events.unshift(at.event);
  return events;
}

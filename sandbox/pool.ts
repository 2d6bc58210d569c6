/**
 * Bounds what started sandboxes hold: one that is idle for long goes, and when too many are up the
 * one that has been idle longest makes room.
 */
import { SANDBOX_IDLE_MS, SANDBOXES_MAX } from "../lib/limits.ts";

export interface Stoppable {
  readonly busy: boolean;
  stop(): Promise<void>;
}

export interface Place {
  /** Before a run: the sandbox counts as used now; an idle one may be stopped to make room. */
  touch(): Promise<void>;
  /** After a run: from here on it is idle unless others go on. */
  rest(): void;
  /** It is not up any more. */
  remove(): void;
}

interface Entry {
  sandbox: Stoppable;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Every started sandbox of this process, least recently used first. */
const up = new Set<Entry>();

export function keepWithinBounds(
  sandbox: Stoppable,
  bounds = { idleMs: SANDBOX_IDLE_MS, sandboxesMax: SANDBOXES_MAX },
): Place {
  const entry: Entry = { sandbox, timer: undefined };
  const place: Place = {
    async touch() {
      clearTimeout(entry.timer);
      up.delete(entry);
      up.add(entry);
      if (up.size <= bounds.sandboxesMax) return;
      const oldest = [...up].find((other) => other !== entry && !other.sandbox.busy);
      if (!oldest) return;
      up.delete(oldest);
      clearTimeout(oldest.timer);
      await oldest.sandbox.stop();
    },
    rest() {
      clearTimeout(entry.timer);
      if (sandbox.busy || !up.has(entry)) return;
      entry.timer = setTimeout(() => {
        if (!sandbox.busy) sandbox.stop().finally(place.remove);
      }, bounds.idleMs);
      Deno.unrefTimer(entry.timer);
    },
    remove() {
      clearTimeout(entry.timer);
      up.delete(entry);
    },
  };
  return place;
}

/** How many sandboxes are up, and how many of them are idle. */
export function sandboxCounts(): { up: number; idle: number } {
  const idle = [...up].filter((entry) => !entry.sandbox.busy).length;
  return { up: up.size, idle };
}

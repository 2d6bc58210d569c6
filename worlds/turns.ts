/** Turns of the event loop, for tests that wait for nothing but what is under way. */
import { pause } from "../lib/pause.ts";

/** The next one, with its timers. */
export function turn(): Promise<void> {
  return pause(0);
}

/** Some: whatever waits for nothing else is over by then. */
export async function aWhile(): Promise<void> {
  for (let count = 0; count < 10; count++) await turn();
}

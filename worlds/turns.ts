/** Turns of the event loop, for tests that wait for nothing but what is under way. */

/** The next one, with its timers. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Some: whatever waits for nothing else is over by then. */
export async function aWhile(): Promise<void> {
  for (let count = 0; count < 10; count++) await turn();
}

/** Waiting for the clock alone. */

/** Resolves in `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

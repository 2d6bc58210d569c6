/**
 * Which session a node's process had last, in a file of its state folder. Whoever starts alone on
 * that folder knows that the session is over, where the others would wait for ten seconds; so what
 * a killed process held is free, and its callers' keys are, once it is started again.
 */

/** Null where none is told. */
export async function readLastSession(path: string): Promise<number | null> {
  try {
    const session = Number(await Deno.readTextFile(path));
    return Number.isSafeInteger(session) && session > 0 ? session : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** To be found after a kill; where the machine fell the others have waited long ago. */
export async function writeLastSession(path: string, session: number): Promise<void> {
  await Deno.writeTextFile(path, `${session}\n`, { mode: 0o600 });
}

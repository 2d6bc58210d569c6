/**
 * One provider to a state directory: two would promise the same credits twice and spend the same
 * nonces. The system lets go of the lock when its holder dies, however it dies.
 */
import { KhachapuriError } from "../../errors.ts";

/** Its name in the book folder. */
export const LOCK_FILE = "lock";

export interface StateLock {
  /** Says where the holder listens, for commands that would rather talk to it. */
  announce(url: string): Promise<void>;
  /** Calling it again does nothing. */
  release(): void;
}

/** Where the provider listens that holds the lock at `path`; null when nobody does, or says. */
export async function holderOf(path: string): Promise<string | null> {
  try {
    using file = await Deno.open(path, { write: true });
    if (await file.tryLock(true)) return null;
    return (await Deno.readTextFile(path)).trim() || null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Takes the lock at `path` without waiting.
 * @throws KhachapuriError `access_denied` when another process (or another part of this one) has it
 */
export async function lockState(path: string): Promise<StateLock> {
  const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  if (!await file.tryLock(true)) {
    file.close();
    throw new KhachapuriError("access_denied", `another provider uses ${path}`, {
      hints: [
        "stop it first, or give this one a stateDir of its own",
        "to have it do what config.json says now: khachapuri reload",
      ],
    });
  }
  await file.truncate(0);
  let isHeld = true;
  return {
    async announce(url) {
      await file.truncate(0);
      await file.write(new TextEncoder().encode(`${url}\n`));
    },
    release() {
      if (isHeld) file.close();
      isHeld = false;
    },
  };
}

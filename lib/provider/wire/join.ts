/** Two ends of a tunnel, joined. */
import type { Tunnel } from "../http/tunnel.ts";

/** Whose end it was, and whether it came as one or broke. */
export type Ending = "ended" | "caller broke" | "program broke";

/**
 * Passes bytes on both ways, each as fast as they are taken, until one end sends no more: all that
 * it has sent was handed over then. Neither is closed.
 */
export function join(caller: Tunnel, program: Tunnel): Promise<Ending> {
  return new Promise((resolve) => {
    const end = () => resolve("ended");
    const breakOff = () => resolve("caller broke");
    passOn(caller, program, {
      onEnd: end,
      onBreak: breakOff,
      // It may have said something before it went, which is still to be read.
      onUntaken: () => {},
    });
    passOn(program, caller, {
      onEnd: end,
      onBreak: () => resolve("program broke"),
      onUntaken: breakOff,
    });
  });
}

interface Ends {
  onEnd(): void;
  /** It could not be read to its end. */
  onBreak(): void;
  /** The other end takes no more. */
  onUntaken(): void;
}

async function passOn(from: Tunnel, to: Tunnel, ends: Ends): Promise<void> {
  while (true) {
    const bytes = await from.read().catch(() => undefined);
    if (bytes === undefined) return ends.onBreak();
    if (bytes === null) return ends.onEnd();
    try {
      await to.write(bytes);
    } catch {
      return ends.onUntaken();
    }
  }
}

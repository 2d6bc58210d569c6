/** Two ends of a tunnel, joined. */
import type { Tunnel } from "../http/tunnel.ts";

/**
 * Passes bytes on both ways, each as fast as they are taken, until one end sends no more: all that
 * it has sent was handed over then. Neither is closed.
 * @returns false when the caller is gone without an end
 * @throws whatever the program's end fails with
 */
export function join(caller: Tunnel, program: Tunnel): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const end = () => resolve(true);
    const breakOff = () => resolve(false);
    passOn(caller, program, {
      onEnd: end,
      onBreak: breakOff,
      // It may have said something before it went, which is still to be read.
      onUntaken: () => {},
    });
    passOn(program, caller, {
      onEnd: end,
      onBreak: reject,
      onUntaken: breakOff,
    });
  });
}

interface Ends {
  onEnd(): void;
  /** It could not be read to its end. */
  onBreak(why: unknown): void;
  /** The other end takes no more. */
  onUntaken(): void;
}

async function passOn(from: Tunnel, to: Tunnel, ends: Ends): Promise<void> {
  while (true) {
    let bytes;
    try {
      bytes = await from.read();
    } catch (error) {
      return ends.onBreak(error);
    }
    if (bytes === null) return ends.onEnd();
    try {
      await to.write(bytes);
    } catch {
      return ends.onUntaken();
    }
  }
}

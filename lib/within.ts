/** Waiting no longer than one can. What comes late goes on; its outcome is nobody's here. */
import type { KhachapuriError } from "./errors.ts";

/**
 * Waits for `pending`, at most `ms`.
 * @returns "late" when the time was up first
 */
export async function within<T>(pending: Promise<T>, ms: number): Promise<T | "late"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => timer = setTimeout(resolve, ms, "late"));
  try {
    return await Promise.race([pending, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for `pending`, at most `ms`.
 * @throws what `late` makes when the time was up first
 */
export async function withinTime<T>(
  pending: Promise<T>,
  ms: number,
  late: () => KhachapuriError,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
  });
  try {
    return await Promise.race([pending, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

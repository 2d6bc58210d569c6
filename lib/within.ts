/**
 * Waits for `pending`, at most `ms`. What comes late goes on; its outcome is nobody's here.
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

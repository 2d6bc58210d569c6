/** Waiting for the clock alone. */

/** Resolves in `ms`, or once `ends` is aborted. */
export function pause(ms: number, ends?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      ends?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (ends?.aborted) end();
    else ends?.addEventListener("abort", end);
  });
}

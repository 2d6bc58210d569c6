/** Times for people. */

/** After this JavaScript has no dates; nobody's deadline, but the largest values of types are. */
const LAST_SECOND = 8_640_000_000_000n;

/** A time of the chain, Unix seconds: ISO 8601 in UTC, to the second. */
export function timeText(seconds: bigint): string {
  if (seconds >= LAST_SECOND) return "never";
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}Z`;
}

/** The same of a machine's time, Unix ms. */
export function timeTextOfMs(ms: number): string {
  return timeText(BigInt(Math.floor(ms / 1_000)));
}

/** `until 2030-01-01T00:00:00Z`, or `expires never`; Unix seconds. */
export function endText(seconds: bigint): string {
  const text = timeText(seconds);
  return text === "never" ? "expires never" : `until ${text}`;
}

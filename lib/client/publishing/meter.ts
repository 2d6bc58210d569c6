/** How far an upload has come, for people: bytes, rate, and where it still goes. */
import type { Sent } from "./publish_all.ts";

/** Between two lines on a terminal. */
const LINE_MS = 100;

/**
 * Makes a line of what has gone out, now and then.
 * @param now ms, of any clock that goes on evenly
 */
export function meter(show: (line: string) => void, now: () => number): (sent: Sent) => void {
  const beganAt = now();
  let shownAt = -Infinity;
  let pendingShown = -1;
  return ({ bytes, bytesOfAll, pending }) => {
    const at = now();
    if (pending.length === 0) return;
    if (at - shownAt < LINE_MS && pending.length === pendingShown) return;
    shownAt = at;
    pendingShown = pending.length;
    const seconds = (at - beganAt) / 1_000;
    const amount = `${sizeText(bytes)} of ${sizeText(bytesOfAll)}`;
    const rate = seconds > 0 ? `, ${sizeText(bytes / seconds)}/s` : "";
    const doing = bytes < bytesOfAll ? `publishing ${amount}${rate}` : "reading back";
    show(`${doing} (${pending.join(", ")})`);
  };
}

/** An amount with its unit, in powers of ten, as rates of networks are told. */
export function sizeText(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} bytes`;
  const [size, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${size.toFixed(size < 10 ? 1 : 0)} ${unit}`;
}

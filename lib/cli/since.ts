/** A moment in the past that a flag names: how long ago, or a time. */
import { KhachapuriError } from "../errors.ts";

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** 90s, 10m, 1h30m. */
const DURATION = /^(?:[0-9]{1,9}(?:ms|s|m|h|d))+$/;
/** RFC 3339, whose time of day may be left out, and whose zone is UTC unless it says another. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|z|[+-]\d\d:\d\d)?)?$/;

/**
 * @returns Unix ms
 * @throws KhachapuriError `usage`
 */
export function momentOf(flag: string, text: string, nowMs: number): number {
  const duration = durationOf(text);
  const at = duration === null ? timeMs(text) : nowMs - duration;
  if (at > nowMs) {
    const now = new Date(nowMs).toISOString();
    throw new KhachapuriError("usage", `${flag} ${text} is in the future: it is ${now}`);
  }
  if (Number.isFinite(at)) return at;
  throw new KhachapuriError("usage", `${flag} ${text}: neither a duration nor a time`, {
    hints: ["as 90s, 10m, 2h, 1h30m or 7d, or as 2026-11-28T17:42:00Z"],
  });
}

/** Milliseconds of 90s, 10m, 1h30m or 7d; null for any other text. */
export function durationOf(text: string): number | null {
  if (!DURATION.test(text)) return null;
  return [...text.matchAll(/([0-9]+)([a-z]+)/g)]
    .reduce((total, [, count, unit]) => total + Number(count) * UNITS_MS[unit!]!, 0);
}

function timeMs(text: string): number {
  const [, day, time = "00:00", zone = "Z"] = TIME.exec(text) ?? [];
  return day === undefined ? NaN : Date.parse(`${day}T${time}${zone.toUpperCase()}`);
}

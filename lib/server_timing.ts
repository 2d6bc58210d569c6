/** Where the time of a call went, as its answer says it (W3C Server Timing). */

/** With any value but "0" whoever pays for a call asks for it. */
export const TIMING_HEADER = "Khachapuri-Timing";
export const SERVER_TIMING_HEADER = "Server-Timing";

export interface Metric {
  readonly name: string;
  readonly ms: number;
  /** What it stands for, in words without quotes. */
  readonly description?: string;
}

/** Tenths of a millisecond: what is finer is noise, or somebody else's secret. */
export function formatServerTiming(metrics: readonly Metric[]): string {
  return metrics.map(({ name, ms, description }) => {
    const said = description === undefined ? "" : `;desc="${description}"`;
    return `${name};dur=${ms.toFixed(1)}${said}`;
  }).join(", ");
}

/** The metrics of one field that have a duration, as we write them; others are passed over. */
export function parseServerTiming(field: string): Metric[] {
  const known = /(?:^|,)\s*([\w-]+);dur=(\d+(?:\.\d+)?)(?:;desc="([^"]*)")?(?=\s*(?:,|$))/g;
  return Array.from(field.matchAll(known), ([, name, ms, description]) => ({
    name: name!,
    ms: Number(ms),
    ...(description === undefined ? {} : { description }),
  }));
}

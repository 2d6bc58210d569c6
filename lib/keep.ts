/**
 * For how long what a provider changes, its price or its terms, stays as it was for the deployments
 * that were there before.
 */
import * as v from "valibot";
import { UINT64_MAX } from "./permit.ts";
import { timeShape } from "./shape.ts";
import { timeText } from "./time_text.ts";

/** So long after each change, or until a time, Unix seconds. */
export type KeepTime = { readonly seconds: bigint } | { readonly until: bigint };

/** What a provider keeps, each for how long. */
export interface Keep {
  readonly price: KeepTime;
  readonly terms: KeepTime;
}

/** A change counts at once. */
export const KEEP_NOTHING: KeepTime = { seconds: 0n };

/** As a time, Unix seconds, which nobody's clock reaches. */
export const FOREVER = UINT64_MAX;

/** Nothing that was agreed once ends by a change. */
export const KEEP_FOREVER: KeepTime = { until: FOREVER };

/** @returns the time until which what a change at `since` ended is kept, Unix seconds */
export function keptUntil(keep: KeepTime, since: bigint): bigint {
  return "until" in keep ? keep.until : since + keep.seconds;
}

/** Whether every change counts at once, as far as anybody can tell beforehand. */
export function keepsNothing(keep: KeepTime): boolean {
  return "seconds" in keep && keep.seconds === 0n;
}

/** As `keepTimeShape` reads it. */
export function keepTimeToJson(keep: KeepTime): string | number {
  if ("seconds" in keep) return Number(keep.seconds);
  return keep.until === FOREVER ? "forever" : timeText(keep.until);
}

/** As people read it behind "after a change they keep their price". */
export function keepText(keep: KeepTime): string {
  if ("until" in keep) {
    return keep.until === FOREVER ? "for ever" : `until ${timeText(keep.until)}`;
  }
  const days = keep.seconds / 86_400n;
  const isDays = keep.seconds % 86_400n === 0n;
  const count = isDays ? `${days} day${days === 1n ? "" : "s"}` : `${keep.seconds} s`;
  return `for ${count}`;
}

const foreverShape = v.pipe(v.literal("forever"), v.transform(() => KEEP_FOREVER));

/** Of a hundred years; whoever means more says so. */
const LONGEST_SECONDS = 100 * 366 * 86_400;

const secondsShape = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(0),
  v.maxValue(LONGEST_SECONDS),
  v.transform((seconds): KeepTime => ({ seconds: BigInt(seconds) })),
);

const untilShape = v.pipe(timeShape, v.transform((until): KeepTime => ({ until })));

/** "forever", whole seconds after each change, or a time. */
export const keepTimeShape = v.union(
  [foreverShape, secondsShape, untilShape],
  'neither "forever", nor whole seconds as 7776000, nor a time as 2030-01-01T00:00:00Z',
);

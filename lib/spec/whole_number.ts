/** Whole numbers as a spec has them. */
import * as v from "valibot";

export function wholeNumber(min: number, max: number) {
  return v.pipe(
    v.number(),
    v.check(
      (value) => Number.isSafeInteger(value) && value >= min && value <= max,
      `not a whole number from ${min} to ${max}`,
    ),
  );
}

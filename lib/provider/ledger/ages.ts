/**
 * Since when a lane has been due. The time of every charge would be memory without end; a few marks
 * are kept instead, the older the further apart, so that what is left after a settlement is known
 * to be younger than what was settled.
 */

/** Credits beyond a counter were charged at a time or later. */
export interface Mark {
  readonly beyond: bigint;
  /** ms since the epoch. */
  at: number;
}

/** Between two marks, ms. */
export const MARK_MS = 5_000;
/** Marks of a lane; with one more every second one goes. */
export const MARKS_KEPT = 8;

/** Notes that the credit after counter `beyond`, which is due, was charged `at`. */
export function markCharge(marks: Mark[], beyond: bigint, at: number): void {
  const last = marks.at(-1);
  if (last && at >= last.at && at - last.at < MARK_MS) return;
  // A clock that was set back must not make what is due seem younger than it is.
  for (let index = marks.length - 1; index >= 0 && marks[index]!.at > at; index--) {
    marks[index]!.at = at;
  }
  if (last && at <= last.at) return;
  marks.push({ beyond, at });
  if (marks.length <= MARKS_KEPT) return;
  for (let from = 0; from * 2 < marks.length; from++) marks[from] = marks[from * 2]!;
  marks.length = Math.ceil(marks.length / 2);
}

/**
 * Notes the escrow's counter of a lane that is charged up to `charged`.
 * @param opened when the lane was opened: what a reorganisation makes due again is no older
 */
export function markSettled(
  marks: Mark[],
  settled: bigint,
  charged: bigint,
  opened: number,
): void {
  if (charged <= settled) {
    marks.length = 0;
    return;
  }
  while (marks.length > 1 && marks[1]!.beyond <= settled) marks.shift();
  const [first] = marks;
  if (first === undefined || settled < first.beyond) {
    // One that is as old says the same of less.
    if (first?.at === opened) marks.shift();
    marks.unshift({ beyond: settled, at: opened });
  }
}

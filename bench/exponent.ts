/** How something grows: the power of n that a row of measurements follows. */

/** What was measured at some sizes n, which rise. */
export interface Curve {
  /** What grows, as "deployments". */
  readonly curve: string;
  /** What was measured of it, as "calls a second". */
  readonly what: string;
  readonly unit: string;
  readonly points: readonly Point[];
}

export type Point = readonly [n: number, value: number];

/**
 * The slope of the straight line that lies nearest to the points on paper of which both axes are
 * logarithmic: 0 for what stays as it is, 1 for what doubles with n, 2 for what then quadruples.
 * What is not above zero says nothing there, and is left out.
 * @returns NaN where fewer than two different n are left
 */
export function exponent(points: readonly Point[]): number {
  const logs = points.filter(([n, value]) => n > 0 && value > 0)
    .map(([n, value]) => [Math.log(n), Math.log(value)] as const);
  const mean = (axis: 0 | 1) => logs.reduce((sum, log) => sum + log[axis], 0) / logs.length;
  const [middle, height] = [mean(0), mean(1)];
  const spread = logs.reduce((sum, [x]) => sum + (x - middle) ** 2, 0);
  const slope = logs.reduce((sum, [x, y]) => sum + (x - middle) * (y - height), 0) / spread;
  return Number.isFinite(slope) ? slope : NaN;
}

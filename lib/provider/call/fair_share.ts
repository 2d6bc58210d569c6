/** Whether a deployment is to leave a slot to another one that found none. */

export interface SlotDemand {
  /** Runs of the provider at the same time. */
  readonly concurrency: number;
  /** Runs that go on, by deployment; without those that are to end soon. */
  readonly running: ReadonlyMap<string, number>;
  /** Deployments for which a call was refused of late, as all slots were busy. */
  readonly refused: readonly string[];
}

/**
 * Slots are shared evenly by the deployments that have or want some. One that has more than that is
 * to leave a slot while all are busy and another, with less than its share, was refused one.
 */
export function hasToLeave(
  deployment: string,
  { concurrency, running, refused }: SlotDemand,
): boolean {
  const busy = [...running.values()].reduce((sum, runs) => sum + runs, 0);
  if (busy < concurrency) return false;
  const { size } = new Set([...running.keys(), ...refused]);
  const share = Math.max(1, Math.floor(concurrency / size));
  const runsOf = (each: string) => running.get(each) ?? 0;
  return runsOf(deployment) > share && refused.some((each) => runsOf(each) < share);
}

/** Whether a deployment is to leave a slot to another one that found none. */

export interface SlotDemand {
  /** Runs that go on now, those that are to end soon among them. */
  readonly concurrency: number;
  /** They by deployment, without those that are to end soon. */
  readonly running: ReadonlyMap<string, number>;
  /** Deployments for which a call waits, or was refused of late, and for which there is no slot. */
  readonly refused: readonly string[];
}

/**
 * Slots that are taken are shared evenly by the deployments that have or want some. One that has
 * more than that is to leave a slot where another, with less than its share, finds none: one at a
 * time, so nobody while a run that is to end soon goes on. That some are free says nothing, as who
 * has much leaves a part to whoever comes next (slot_share.ts).
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

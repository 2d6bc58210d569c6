/** Work in lanes: as many errands at once as there are lanes, in the order of the queue. */

/** What one lane does, piece after piece. */
export type Errand<Job> = readonly Job[];

/** Resolves when all is done; rejects with the first failure of `work` itself, at once. */
export async function runInLanes<Job>(
  lanes: number,
  errands: readonly Errand<Job>[],
  work: (job: Job) => Promise<void>,
): Promise<void> {
  const queue = [...errands];
  const lane = async () => {
    for (let errand = queue.shift(); errand; errand = queue.shift()) {
      for (const job of errand) await work(job);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

/** `items` dealt out like cards, so that neighbours, which often cost alike, are apart. */
export function deal<T>(items: readonly T[], hands: number): T[][] {
  return Array.from({ length: hands }, (_, hand) => items.filter((_, nth) => nth % hands === hand))
    .filter((dealt) => dealt.length > 0);
}

/** The `few` evenly among the `many`: those wait for much where these keep processors busy. */
export function mix<T>(many: readonly T[], few: readonly T[]): T[] {
  const places = [
    ...many.map((item, nth) => ({ item, at: (nth + 0.5) / many.length })),
    ...few.map((item, nth) => ({ item, at: (nth + 0.5) / few.length })),
  ];
  return places.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

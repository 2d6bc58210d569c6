/**
 * Requests and answers from 1 KB to 16 MB, through the provider to a program and back, against the
 * listener that it stands on with nothing behind it, in turns. And one caller who takes 24 MB at a
 * quarter of a megabyte a second, beside whatever else is measured.
 */
import type { Curve, Point } from "./exponent.ts";
import type { Budget, Growth, GrowthWorld } from "./growth_world.ts";
import { atLeast, median, type Must } from "./report.ts";
import { type Rates, shareOf, startSide, transferInTurns, WAYS } from "./wire_process.ts";

const SIZES = [1_000, 64_000, 256_000, 1_000_000, 4_000_000, 16_000_000];
const LARGEST = SIZES.at(-1)!;
const ROUNDS = 4;
/** At each size so much is moved in a round, in so many transfers at most. */
const ROUND_BYTES = 32_000_000;
const TRANSFERS_MOST = 50;
/** What has a bound is measured for longer: a collection of garbage more or less is a tenth. */
const [LARGEST_ROUNDS, LARGEST_ROUND_BYTES] = [11, 128_000_000];
const SHARE_LEAST = 0.6;
/** More than 16 MB, of which the buffers of a fast network alone may hold half. */
const SLOW_BYTES = 24_000_000;
const SLOW_BYTES_A_SECOND = 250_000;
/** Twice as long as it takes at that rate. */
const SLOW_SECONDS_MOST = 2 * SLOW_BYTES / SLOW_BYTES_A_SECOND;

type Found = Record<"ours" | "bare", Rates>;

export async function measureSizes(world: GrowthWorld, budget: Budget): Promise<Growth> {
  const { cid } = (await world.deploy({ count: 1, tag: "sizes" }))[0]!;
  await using served = await world.serve();
  await using bare = await startSide("khachapuri");
  const ours = `${served.url}/${cid}`;
  const targets = {
    ours: { down: (bytes: number) => `${ours}?bytes=${bytes}`, up: ours },
    bare: { down: (bytes: number) => `${bare.url}down?${bytes}`, up: `${bare.url}up` },
  };
  const found = new Map<number, Found>();
  for (const bytes of SIZES.toReversed()) {
    if (budget.left() === 0) break;
    const [rounds, roundBytes] = bytes === LARGEST
      ? [LARGEST_ROUNDS, LARGEST_ROUND_BYTES]
      : [ROUNDS, ROUND_BYTES];
    const count = Math.min(TRANSFERS_MOST, Math.ceil(roundBytes / bytes));
    found.set(bytes, await transferInTurns(targets, { count, bytes, rounds }));
  }
  const must = WAYS.map((way): Must => {
    const rates = found.get(LARGEST);
    const share = rates ? shareOf(rates.ours[way], rates.bare[way]) : 0;
    return atLeast(`16 MB ${way}`, share, "of the bare listener's rate", SHARE_LEAST);
  });
  return { curves: curvesOf(new Map([...found].toReversed())), must };
}

function curvesOf(found: ReadonlyMap<number, Found>): Curve[] {
  const points = (of: (found: Found) => number) =>
    [...found].map(([bytes, rates]): Point => [bytes, of(rates)]);
  return WAYS.flatMap((way): Curve[] => [
    {
      curve: "sizes",
      what: `${way}, MB/s`,
      unit: "MB/s",
      points: points(({ ours }) => median(ours[way]) / 1e6),
    },
    {
      curve: "sizes",
      what: `${way}, of the bare listener's`,
      unit: "",
      points: points(({ ours, bare }) => shareOf(ours[way], bare[way])),
    },
  ]);
}

/** Beside other measurements, as it does next to nothing. */
export async function measureSlowReader(world: GrowthWorld): Promise<Growth> {
  const { cid } = (await world.deploy({ count: 1, tag: "slowly" }))[0]!;
  await using served = await world.serve();
  const url = `${served.url}/${cid}?bytes=${SLOW_BYTES}`;
  const rate = ["--limit-rate", String(SLOW_BYTES_A_SECOND)];
  const most = ["--max-time", String(SLOW_SECONDS_MOST)];
  const told = ["-o", "/dev/null", "-w", "%{size_download} %{time_total} %{http_code}"];
  const { stdout } = await new Deno.Command("curl", {
    args: ["-s", ...rate, ...most, ...told, url],
  })
    .output();
  const [came, seconds, status] = new TextDecoder().decode(stdout).split(" ").map(Number);
  // A refusal before the charge would be as good; today there is no other status than these two.
  const share = status === 200 ? came! / SLOW_BYTES : status! >= 400 ? 1 : 0;
  return {
    curves: [
      { curve: "slow reader", what: "came", unit: "bytes", points: [[SLOW_BYTES, came!]] },
      { curve: "slow reader", what: "took", unit: "s", points: [[SLOW_BYTES, seconds!]] },
    ],
    must: [atLeast("24 MB at 0.25 MB/s", share, "of it came", 1)],
  };
}

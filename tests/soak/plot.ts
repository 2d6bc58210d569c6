/** What soaks print of their samples: a bar for each minute. */
import { median } from "../../bench/report.ts";
import { print } from "../../tools/print.ts";

/** Something that was looked at in the course of a soak. */
export interface Sampled {
  /** Since its beginning. */
  readonly minute: number;
}

const BARS = "▁▂▃▄▅▆▇█";

/** Prints lines of bars, one bar for each minute, from 0 to the largest. */
export function plotOf<T extends Sampled>(samples: readonly T[], minutes: number) {
  return (what: string, of: (sample: T) => number, unit: string): void => {
    const perMinute = Array.from({ length: Math.ceil(minutes) }, (_, minute) => {
      const within = samples.filter((sample) => Math.floor(sample.minute) === minute).map(of);
      return within.length === 0 ? 0 : median(within);
    });
    const most = Math.max(...perMinute, 1);
    const bars = perMinute.map((value) => BARS[Math.round(value / most * (BARS.length - 1))]);
    print(`${what.padEnd(12)} ${bars.join("")}  ${median(perMinute).toFixed(1)} ${unit} (median)`);
  };
}

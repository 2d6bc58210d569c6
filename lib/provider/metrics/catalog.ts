/**
 * Every metric that a provider exposes: what it is called, counts and means, and what whoever looks
 * after the provider does about it. `deno task docs` makes docs/metrics.md of it.
 */
import { CALL_METRICS } from "./catalog_of_calls.ts";
import { FLEET_METRICS } from "./catalog_of_fleet.ts";
import { MACHINE_METRICS } from "./catalog_of_machine.ts";
import { MONEY_METRICS } from "./catalog_of_money.ts";
import {
  type Counter,
  createCounter,
  createHistogram,
  type Histogram,
  type Metric,
  type MetricFacts,
  type Sample,
} from "./metrics.ts";

export const CATALOG = {
  ...MONEY_METRICS,
  ...CALL_METRICS,
  ...MACHINE_METRICS,
  ...FLEET_METRICS,
} as const;

export type MetricName = keyof typeof CATALOG;

export function factsOf(name: MetricName): MetricFacts {
  return CATALOG[name];
}

/** As `createCounter`. */
export function counterOf(name: MetricName): Counter {
  return createCounter(name, factsOf(name).help);
}

/** As `createHistogram`. */
export function histogramOf(name: MetricName): Histogram {
  const { help, bounds } = factsOf(name);
  return createHistogram(name, help, bounds!);
}

/** One number, read when somebody asks. */
export function numberOf(name: MetricName, read: () => number | Promise<number>): Metric {
  return samplesOf(name, async () => [{ value: await read() }]);
}

/** Several, read when somebody asks. */
export function samplesOf(
  name: MetricName,
  read: () => readonly Sample[] | Promise<readonly Sample[]>,
): Metric {
  const { help, type } = factsOf(name);
  return { name, help, type, read: async () => await read() };
}

/**
 * Counters, gauges and histograms in Prometheus text format 0.0.4. Labels are our own words only: a
 * payer or a cid in one would tell of somebody, and would grow without bound.
 */
import { Distribution } from "../../distribution.ts";

export type Labels = Readonly<Record<string, string>>;

/** One line of a metric, read when somebody asks. */
export interface Sample {
  readonly labels?: Labels;
  /** What its line adds to the metric's name: those of a histogram have one. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  value: number;
}

export type MetricType = "counter" | "gauge" | "histogram";

/** What is known of a metric beforehand. */
export interface MetricFacts {
  readonly type: MetricType;
  /** One line for `# HELP`. */
  readonly help: string;
  /** Each label with the words that it may be. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Of a histogram, in its unit. */
  readonly bounds?: readonly number[];
  /** What to do about it; absent: it is there to be looked at. */
  readonly advice?: string;
}

export interface Metric {
  name: string;
  help: string;
  type: MetricType;
  read(): Promise<readonly Sample[]>;
}

/** All labels of one counter have the same names in the same order. */
export interface Counter {
  add(labels: Labels, by?: number): void;
  /** What `add` adds to, for who adds often. */
  at(labels: Labels): Sample;
  readonly metric: Metric;
}

/** A counter that starts at zero with the process. */
export function createCounter(name: string, help: string): Counter {
  const values = new Map<string, Sample>();
  function at(labels: Labels): Sample {
    let key = "";
    for (const name in labels) key += `${labels[name]}\n`;
    const known = values.get(key) ?? { labels, value: 0 };
    values.set(key, known);
    return known;
  }
  return {
    at,
    add(labels, by = 1) {
      at(labels).value += by;
    },
    metric: { name, help, type: "counter", read: () => Promise.resolve([...values.values()]) },
  };
}

export interface Histogram {
  note(labels: Labels, value: number): void;
  /** What `note` notes in, for who notes often. */
  at(labels: Labels): Distribution;
  readonly metric: Metric;
}

/** @param bounds ascending; what is larger is counted as +Inf */
export function createHistogram(
  name: string,
  help: string,
  bounds: readonly number[],
): Histogram {
  const known = new Map<string, { labels: Labels; values: Distribution }>();
  function at(labels: Labels): Distribution {
    const key = Object.values(labels).join("\n");
    const entry = known.get(key) ?? { labels, values: new Distribution(bounds) };
    known.set(key, entry);
    return entry.values;
  }
  return {
    at,
    note: (labels, value) => at(labels).note(value),
    metric: {
      name,
      help,
      type: "histogram",
      read: () =>
        Promise.resolve(
          [...known.values()].flatMap(({ labels, values }) => distributed(values, labels)),
        ),
    },
  };
}

/** The lines of a distribution. */
export function distributed(values: Distribution, labels: Labels = {}): Sample[] {
  const counts = values.cumulative();
  const bucket = (le: string, value: number): Sample => {
    return { suffix: "_bucket", labels: { ...labels, le }, value };
  };
  return [
    ...values.bounds.map((bound, at) => bucket(String(bound), counts[at]!)),
    bucket("+Inf", values.count),
    { suffix: "_sum", labels, value: values.sum },
    { suffix: "_count", labels, value: values.count },
  ];
}

export function gauge(name: string, help: string, read: () => number | Promise<number>): Metric {
  return { name, help, type: "gauge", read: async () => [{ value: await read() }] };
}

/** The exposition of all metrics. */
export async function metricsText(metrics: readonly Metric[]): Promise<string> {
  return (await Promise.all(metrics.map(metricText))).join("");
}

async function metricText({ name, help, type, read }: Metric): Promise<string> {
  const lines = (await read()).map(({ labels = {}, suffix = "", value }) =>
    `${name}${suffix}${labelText(labels)} ${numberText(value)}`
  );
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ""].join("\n");
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    return `${name}="${value.replace(/[\\"\n]/g, (char) => char === "\n" ? "\\n" : `\\${char}`)}"`;
  });
  return pairs.length === 0 ? "" : `{${pairs.join()}}`;
}

/**
 * Counters and gauges in Prometheus text format 0.0.4. Labels are our own words only: a payer or a
 * cid in one would be public, and would grow without bound.
 */

export type Labels = Readonly<Record<string, string>>;

/** One line of a metric, read when somebody asks. */
export interface Sample {
  readonly labels?: Labels;
  value: number;
}

export interface Metric {
  name: string;
  help: string;
  type: "counter" | "gauge";
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

export function gauge(name: string, help: string, read: () => number | Promise<number>): Metric {
  return { name, help, type: "gauge", read: async () => [{ value: await read() }] };
}

/** The exposition of all metrics. */
export async function metricsText(metrics: readonly Metric[]): Promise<string> {
  return (await Promise.all(metrics.map(metricText))).join("");
}

async function metricText({ name, help, type, read }: Metric): Promise<string> {
  const lines = (await read()).map(({ labels = {}, value }) =>
    `${name}${labelText(labels)} ${numberText(value)}`
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

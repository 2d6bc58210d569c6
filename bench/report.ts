/** What every benchmark prints: where it ran, its rows, and what may not get worse. */

export interface Must {
  name: string;
  value: number;
  unit: string;
  /** "<=" or ">=" and the number. */
  bound: string;
  ok: boolean;
}

export type Row = Record<string, string | number>;

export interface Report {
  rows: Row[];
  must: Must[];
}

/** The machine, without what would name it. */
export function machine() {
  return {
    os: Deno.build.os,
    arch: Deno.build.arch,
    cpus: navigator.hardwareConcurrency,
    deno: Deno.version.deno,
    load: Math.round(Deno.loadavg()[0]! * 10) / 10,
  };
}

export function atMost(name: string, value: number, unit: string, most: number): Must {
  return { name, value, unit, bound: `<= ${most}`, ok: value <= most };
}

export function atLeast(name: string, value: number, unit: string, least: number): Must {
  return { name, value, unit, bound: `>= ${least}`, ok: value >= least };
}

/** The number below which `share` of the values lie. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Prints for people, or with `--json` for machines; the exit code says whether all bounds hold. */
export function printReport({ rows, must }: Report, args: readonly string[] = Deno.args): void {
  const text = args.includes("--json")
    ? JSON.stringify({ machine: machine(), rows, must }, null, 2)
    : [table(rows), "", ...must.map(mustLine), "", JSON.stringify(machine())].join("\n");
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  if (must.some(({ ok }) => !ok)) Deno.exitCode = 1;
}

function mustLine({ name, value, unit, bound, ok }: Must): string {
  return `${ok ? "ok  " : "MISS"}  ${name}: ${short(value)} ${unit} (${bound})`;
}

/** Columns are the keys of all rows in the order of their first use; numbers stand to the right. */
function table(rows: readonly Row[]): string {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value: string | number | undefined) =>
    typeof value === "number" ? short(value) : value ?? "";
  const width = (column: string) =>
    Math.max(column.length, ...rows.map((row) => cell(row[column]).length));
  const line = (texts: readonly string[], isNumber: (column: string) => boolean) =>
    columns.map((column, index) =>
      isNumber(column) ? texts[index]!.padStart(width(column)) : texts[index]!.padEnd(width(column))
    ).join("  ").trimEnd();
  const isNumber = (column: string) => rows.some((row) => typeof row[column] === "number");
  return [columns, ...rows.map((row) => columns.map((column) => cell(row[column])))]
    .map((texts) => line(texts, isNumber)).join("\n");
}

function short(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(Math.abs(value) < 10 ? 3 : 1);
}

/** What every task of deno.json has to come to on a machine that has never seen this project. */

/** One way to start a task, and what shall become of it. */
export interface Trial {
  readonly task: string;
  readonly args: readonly string[];
  /** It ends by itself with one of these codes; else it is ended once it is so far. */
  readonly ends?: readonly number[];
  /** What it prints when it is past its set-up, or at its end. */
  readonly prints?: RegExp;
  /** Says nothing until it is done: it is so far when it has run this long, seconds. */
  readonly lastsSeconds?: number;
}

/** Past the set-up, and still silent. */
const UNDER_WAY = { lastsSeconds: 90 };

export const TRIALS: readonly Trial[] = [
  { task: "setup", args: [], ends: [0, 2] },
  { task: "setup:tests", args: [], ends: [0, 2] },
  { task: "setup:sources", args: [], ends: [0, 2], prints: /installing the npm packages/ },
  { task: "demo", args: [], prints: /=== Register provider/ },
  { task: "devnet", args: [], prints: /Ctrl-C ends this world/ },
  { task: "fleet", args: [], prints: /Ctrl-C ends this world/ },
  { task: "devnet", args: ["--help"], ends: [0], prints: /usage: deno task devnet/ },
  { task: "test", args: ["lint"], ends: [0], prints: /1 passed, 0 failed/ },
  { task: "ok", args: ["lint"], ends: [0], prints: /1 passed, 0 failed/ },
  { task: "test:long", args: ["lint"], ends: [1], prints: /0 passed, 0 failed/ },
  { task: "test:crash", args: [], prints: /running \d+ test/ },
  { task: "test:fleet", args: [], prints: /running \d+ test/ },
  { task: "test:abuse", args: [], prints: /running \d+ test/ },
  { task: "test:bwrap", args: [], prints: /running \d+ test/ },
  { task: "test:wire", args: [], prints: /running \d+ test/ },
  { task: "test:peers", args: [], prints: /peers: installing|running \d+ test/ },
  { task: "test:clients", args: [], prints: /peers: installing|running \d+ test/ },
  { task: "test:soak", args: [], ...UNDER_WAY },
  { task: "test:arm64", args: [], prints: /fetching Debian|apt-get install|takes root/ },
  { task: "test:soak:reloads", args: [], ...UNDER_WAY },
  { task: "test:soak:customers", args: [], ...UNDER_WAY },
  { task: "test:vm", args: [], prints: /making a Debian|apt-get install|takes root/ },
  { task: "test:vm:install", args: [], prints: /making a Debian|apt-get install|takes root/ },
  { task: "bench", args: [], ends: [2], prints: /usage: deno task bench/ },
  { task: "bench", args: ["sandbox"], ...UNDER_WAY },
  { task: "bench", args: ["payments"], ...UNDER_WAY },
  // 1: a figure is below what it must reach, which says more of the machine's load.
  { task: "bench", args: ["ipfs"], ends: [0, 1], prints: /vs plain/ },
  { task: "bench", args: ["growth"], ...UNDER_WAY },
  { task: "bench", args: ["growth", "money"], ...UNDER_WAY },
  { task: "bench", args: ["attacks"], ...UNDER_WAY },
  { task: "bench", args: ["fleet"], ...UNDER_WAY },
  { task: "bench", args: ["deploy"], ...UNDER_WAY },
  { task: "bench", args: ["hot"], ends: [2], prints: /--against=COMMIT/ },
  { task: "bench", args: ["wire"], ...UNDER_WAY },
  // 1: as for ipfs.
  { task: "bench", args: ["egress"], ends: [0, 1], prints: /round trip/ },
  { task: "fmt", args: ["--check"], ends: [0] },
  { task: "lint", args: ["--quiet"], ends: [0] },
  { task: "check", args: ["--quiet"], ends: [0] },
  { task: "khachapuri", args: ["--version"], ends: [0], prints: /^khachapuri \d/m },
  { task: "khachapuri", args: ["run", "samples/hello", "/?Nino"], ends: [0], prints: /, Nino$/m },
  { task: "khachapuri", args: ["doctor"], ends: [4], prints: /no chain is configured/ },
  {
    task: "deploy-spec",
    args: ["samples/hello", "--provider", "paolo.eth"],
    ends: [3],
    prints: /no chain is configured/,
  },
  { task: "package", args: [], ends: [0], prints: /dist\/khachapuri {2}[\d.]+ MB/ },
  {
    task: "release",
    args: ["--architecture", "x86_64"],
    ends: [0],
    prints: /linux-x86_64 {2}[\d.]+ MB/,
  },
  { task: "test:release", args: ["--architecture", "x86_64"], ...UNDER_WAY },
  { task: "package:npm", args: [], ends: [0], prints: /dist\/npm\/.*\.tgz {2}[\d.]+ kB/ },
  { task: "compile", args: [], ends: [0, 2], prints: /dist\/khachapuri|denort/ },
  { task: "docs", args: [], ends: [0] },
  { task: "site", args: [], ends: [0], prints: /dist\/site {2}\d+ pages/ },
  { task: "pages", args: ["--check"], ends: [0], prints: /page_scripts\.ts is fresh/ },
  { task: "contracts", args: ["fmt"], ends: [0] },
  { task: "mutate", args: [], ends: [1], prints: /deno task mutate <target>/ },
];

/** A task that tries the others has no trial of its own. */
export const UNTRIED: readonly string[] = ["test:tasks"];

/** What a program prints that fell over instead of saying what is wrong. */
const FALLEN = /Module not found|\(internal\)|Uncaught|^ {4}at .*\.[jt]s:\d+/m;

/** How a trial went. */
export interface Course {
  readonly output: string;
  /** null while it still runs. */
  readonly code: number | null;
  readonly seconds: number;
}

/** Whether enough is known to judge. */
export function isSoFar({ ends, prints, lastsSeconds }: Trial, course: Course): boolean {
  if (course.code !== null) return true;
  if (ends) return false;
  return prints?.test(course.output) ?? course.seconds >= lastsSeconds!;
}

/** What is wrong; null when all is as it should be. */
export function faultOf({ ends, prints }: Trial, { output, code }: Course): string | null {
  const [fallen] = FALLEN.exec(output) ?? [];
  if (fallen !== undefined) return `fell over: ${fallen.trim()}`;
  if (code === null && ends) return "did not end in time";
  if (code !== null && !(ends ?? [0, 2]).includes(code)) return `ended with ${code}`;
  if (prints && !prints.test(output)) return `did not print ${prints}`;
  return null;
}

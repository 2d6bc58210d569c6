/**
 * The stages of `deno task test`, every gate of the project, and of `deno task test:long`; and how
 * their results are told.
 */
import type { Errand } from "./lanes.ts";
import { deal, mix } from "./lanes.ts";
import { PERMISSIONS_OF_TESTS } from "./permissions.ts";

/** One command, a stage or a part of it. */
export interface Job {
  /** Its stage, by which it is chosen. */
  readonly stage: string;
  /** `deno` is run with these. */
  readonly args: readonly string[];
  /** How its output states the counts; null: the exit code is the one result. */
  readonly summary: RegExp | null;
  /** Makes and removes so many files that they belong into memory. */
  readonly isScratching?: true;
}

/** What runs beside each other, and what then runs alone. */
export interface Plan {
  readonly beside: readonly Errand<Job>[];
  readonly alone: readonly Errand<Job>[];
}

export interface Count {
  passed: number;
  failed: number;
}

/** "ok | 9 passed (3 steps) | 0 failed | 1 ignored (29ms)" */
const DENO_SUMMARY =
  /^(?:ok|FAILED) \| (?<passed>\d+) passed.*? \| (?<failed>\d+) failed(?: \| (?<ignored>\d+) i)?/gm;
/** "Ran 3 test suites in 1.2s (2.0s CPU time): 15 tests passed, 0 failed, 0 skipped (15 total)" */
const FORGE_SUMMARY =
  /^Ran \d+ test suites?\b.*?: (?<passed>\d+) tests? passed, (?<failed>\d+) failed/gm;

/** What is type-checked: samples are programs of their own, with packages of theirs. */
const TYPED = ["main.ts", "lib", "packages", "sandbox", "worlds", "tools", "tests", "bench"];

/**
 * They compare times with and without an attack, or take all that there is of processors or of the
 * kernel's memory for watches.
 */
const ALONE = [
  "sandbox/watch_test.ts",
  "tests/abuse/abuse_test.ts",
  "tests/abuse/deployments_test.ts",
  "tests/abuse/egress_test.ts",
  "tests/abuse/fairness_test.ts",
  "tests/abuse/server_answers_test.ts",
  "tests/abuse/server_callers_test.ts",
  "tests/abuse/servers_test.ts",
];
/**
 * End-to-end tests of some half a minute and more, the longest first. They are a task of their own,
 * so that everybody waits for the others only; what a change to money or bounds must never miss
 * (crash_test, chaos_test, growth_counts_test) is not among them, however long it takes.
 */
const LONG = [
  "tests/fleet/trial_test.ts",
  "tests/documents_test.ts",
  "tests/slow_callers_test.ts",
  "tests/samples_test.ts",
  "tests/long_runs_test.ts",
  "tests/up_test.ts",
  "tests/credits_test.ts",
  "tests/exact_weather_test.ts",
  "tests/reload_test.ts",
  "tests/upgrade_test.ts",
  "tests/handover_test.ts",
  "tests/handover_running_test.ts",
  "tests/key_rotation_test.ts",
  "tests/package_test.ts",
  "tests/wire/wire_test.ts",
  "tests/crash_exact_test.ts",
  "tests/crash_servers_test.ts",
  "tests/outage_test.ts",
  "tests/logs_test.ts",
  "tests/doctor_test.ts",
  "tests/dev_test.ts",
  "tests/curl_wire_test.ts",
  "tests/egress_programs_test.ts",
  "tests/renewal_test.ts",
  "tests/name_deploy_test.ts",
  "tests/dev_servers_test.ts",
  "tests/file_errors_test.ts",
  "tests/wire/census_test.ts",
  "tests/demo_test.ts",
  "tests/backup_test.ts",
  "tests/devnet_test.ts",
  "tests/interfaces/interfaces_test.ts",
  "tests/upgrade_packages_test.ts",
  "tests/pay_page_trouble_test.ts",
  "tests/bwrap/upstream_test.ts",
  "tests/run_servers_test.ts",
  "tests/x402/credits_scheme_test.ts",
];
/** Runs tests of many files in one process. */
const TOGETHER = "tools/together.ts";
/** Has the properties of a test try the cases that the seed in the environment says. */
const SEEDING = "worlds/property_seed.ts";
/** They want a thousand packages that nothing else here needs, and have a task of their own. */
const APART = "tests/peers/";
/** Of a few seconds each, so that lanes end together. */
const UNIT_PARTS = 16;

const gate = (stage: string, ...args: string[]): Job => ({ stage, args, summary: null });

/** @param asked what `deno test` is to run */
const tests = (stage: string, ...asked: string[]): Job => ({
  stage,
  args: [
    "test",
    "--no-check",
    "--frozen",
    `--preload=${SEEDING}`,
    ...PERMISSIONS_OF_TESTS,
    ...asked,
  ],
  summary: DENO_SUMMARY,
  isScratching: true,
});

/** They build into the same folder. */
const CONTRACTS: Errand<Job> = [
  gate("contracts fmt", "task", "--quiet", "contracts", "fmt"),
  {
    ...gate("contracts test", "task", "--quiet", "contracts", "test"),
    summary: FORGE_SUMMARY,
  },
  gate("contracts snapshot", "task", "--quiet", "contracts", "check"),
];

/** Whether a test belongs to another task than `deno task test`. */
export const isApart = (path: string) => path.startsWith(APART);

const stageOf = (path: string) => path.startsWith("tests/") ? "end to end" : "unit";

/** Whether a test is of `deno task test:long`. */
const isLong = (path: string) => LONG.includes(path) || ALONE.includes(path);

/**
 * What `deno task test` runs: all that is not long.
 * @param files the tests' paths; those of other tasks are left out
 */
export function planOf(files: readonly string[]): Plan {
  const own = files.filter((path) => !isLong(path) && !isApart(path));
  const endToEnd = own.filter((path) => stageOf(path) === "end to end");
  const unit = own.filter((path) => stageOf(path) === "unit");
  return {
    beside: [
      [gate("check", "check", "--quiet", "--frozen", ...TYPED)],
      [gate("fmt", "fmt", "--check"), gate("lint", "lint", "--quiet")],
      CONTRACTS,
      ...mix(
        endToEnd.map((path) => [tests("end to end", path)]),
        deal(unit, UNIT_PARTS).map((part) => [tests("unit", TOGETHER, "--", ...part)]),
      ),
    ],
    alone: [],
  };
}

/** What `deno task test:long` runs, the longest first. */
export function longPlanOf(files: readonly string[]): Plan {
  const errand = (path: string): Errand<Job> => [tests(stageOf(path), path)];
  return {
    beside: LONG.filter((path) => files.includes(path)).map(errand),
    alone: ALONE.filter((path) => files.includes(path)).map(errand),
  };
}

/** What a failed job says of its failures, characters at most. */
const FAILURE_SIZE = 4_000;

/**
 * Of a failed job's output what tells why, to be said once more at the end: where only the end of
 * a long output is kept, that is all that is left of it.
 */
export function whyFailed(output: string): string {
  const errors = /^ ERRORS $(?<told>[^]*?)^ FAILURES $/m.exec(output)?.groups?.told;
  if (errors !== undefined) return errors.trim().slice(0, FAILURE_SIZE);
  return output.trim().slice(-FAILURE_SIZE);
}

/** What a job's output and exit code amount to. */
export function countOf({ summary }: Pick<Job, "summary">, output: string, ok: boolean): Count {
  if (summary === null) return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  const count = { passed: 0, failed: 0 };
  let ignored = 0;
  for (const { groups } of output.matchAll(summary)) {
    count.passed += Number(groups!.passed);
    count.failed += Number(groups!.failed);
    ignored += Number(groups!.ignored ?? 0);
  }
  // What died before it could count, or has no tests, is a failure of its own.
  if (count.failed === 0 && (!ok || count.passed + ignored === 0)) count.failed = 1;
  return count;
}

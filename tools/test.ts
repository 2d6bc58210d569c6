/**
 * `deno task test`: every gate of the project, fast ones first. Each stage's output is shown as it
 * comes; the last line is the sum, "N passed, N failed". A gate without tests of its own (fmt,
 * lint, check) counts as one.
 */
import { PERMISSIONS_OF_TESTS } from "./permissions.ts";
import { print } from "./print.ts";

interface Stage {
  name: string;
  args: readonly string[];
  /** How its output states the counts; null: the exit code is the one result. */
  summary: RegExp | null;
}

interface Count {
  passed: number;
  failed: number;
}

/** "ok | 9 passed (3 steps) | 0 failed | 1 ignored (29ms)" */
const DENO_SUMMARY =
  /^(?:ok|FAILED) \| (?<passed>\d+) passed(?: \([^)]*\))? \| (?<failed>\d+) failed/gm;
/** "Ran 3 test suites in 1.2s (2.0s CPU time): 15 tests passed, 0 failed, 0 skipped (15 total)" */
const FORGE_SUMMARY =
  /^Ran \d+ test suites?\b.*?: (?<passed>\d+) tests? passed, (?<failed>\d+) failed/gm;

const unit = (...paths: string[]) => ["test", "--no-check", ...PERMISSIONS_OF_TESTS, ...paths];

/** In the order they run; each is `deno` with these arguments. */
export const STAGES: readonly Stage[] = [
  { name: "fmt", args: ["fmt", "--check"], summary: null },
  { name: "lint", args: ["lint", "--quiet"], summary: null },
  { name: "check", args: ["check", "--quiet", "--frozen"], summary: null },
  { name: "unit", args: unit("lib", "sandbox", "tools", "worlds"), summary: DENO_SUMMARY },
  { name: "contracts fmt", args: ["task", "--quiet", "contracts", "fmt"], summary: null },
  {
    name: "contracts test",
    args: ["task", "--quiet", "contracts", "test"],
    summary: FORGE_SUMMARY,
  },
  { name: "contracts snapshot", args: ["task", "--quiet", "contracts", "check"], summary: null },
  { name: "end to end", args: unit("tests"), summary: DENO_SUMMARY },
];

/** What a stage's output and exit code amount to. */
export function countOf(stage: Stage, output: string, isSuccess: boolean): Count {
  if (stage.summary === null) {
    return isSuccess ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  }
  const count = { passed: 0, failed: 0 };
  for (const { groups } of output.matchAll(stage.summary)) {
    count.passed += Number(groups!.passed);
    count.failed += Number(groups!.failed);
  }
  // A stage that died before it could count, or that ran nothing, is a failure of its own.
  if (count.failed === 0 && (!isSuccess || count.passed === 0)) count.failed = 1;
  return count;
}

async function runStage(stage: Stage): Promise<Count> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...stage.args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const decoder = new TextDecoder();
  let output = "";
  for await (const chunk of child.stdout) {
    Deno.stdout.writeSync(chunk);
    output += decoder.decode(chunk, { stream: true });
  }
  return countOf(stage, output, (await child.status).success);
}

async function main(names: readonly string[]): Promise<number> {
  const total: Count = { passed: 0, failed: 0 };
  const chosen = STAGES.filter((stage) => names.length === 0 || names.includes(stage.name));
  for (const stage of chosen) {
    print(`\n== ${stage.name}`);
    const startMs = performance.now();
    const count = await runStage(stage);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    print(`== ${stage.name}: ${count.passed} passed, ${count.failed} failed in ${seconds} s`);
    total.passed += count.passed;
    total.failed += count.failed;
  }
  print(`\n${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

/**
 * `deno task test [STAGE…]`: every gate of the project, two or more at a time. A job's output is
 * shown whole when it has ended; the last line is the sum, "N passed, N failed". A gate without
 * tests of its own (fmt, lint, check) counts as one.
 */
import { join } from "node:path";
import { type Errand, runInLanes } from "./lanes.ts";
import { type MemoryFolder, openMemoryFolder } from "./memory_folder.ts";
import { print, printAll } from "./print.ts";
import { type Count, countOf, type Job, planOf, whyFailed } from "./stages.ts";
import { isTest, readSources } from "./tidy.ts";

const ROOT = join(import.meta.dirname!, "..");
/** Half of the tests' time is waiting; more than four lanes want memory of a large machine. */
const LANES = Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);

/**
 * Of what is made at random: the gate's answer depends on the sources alone. Another is tried by
 * KHACHAPURI_SEED.
 */
const SEED = "20261129";

interface Ended {
  readonly output: string;
  readonly isDone: boolean;
}

/** Runs a job to its end; its two streams come as one, in the order of their arrival. */
async function run({ args, isScratching }: Job, folder: MemoryFolder): Promise<Ended> {
  const deno = [Deno.execPath(), ...args];
  const [command, ...rest] = isScratching ? folder.around(deno) : deno;
  const child = new Deno.Command(command!, {
    args: rest,
    cwd: ROOT,
    env: { NO_COLOR: "1", KHACHAPURI_SEED: Deno.env.get("KHACHAPURI_SEED") ?? SEED },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  await Promise.all([collect(child.stdout), collect(child.stderr)]);
  return { output, isDone: (await child.status).success };
}

/** What a job is called: its stage, and the file when it has one. */
function titleOf({ stage, args }: Job): string {
  const files = args.filter(isTest);
  if (files.length === 0) return stage;
  return `${stage}: ${files[0]}${files.length > 1 ? ` and ${files.length - 1} more` : ""}`;
}

async function main(names: readonly string[]): Promise<number> {
  const total: Count = { passed: 0, failed: 0 };
  const failures: string[] = [];
  await using folder = await openMemoryFolder();

  async function work(job: Job): Promise<void> {
    const title = titleOf(job);
    print(`== ${title}`);
    const startMs = performance.now();
    const { output, isDone } = await run(job, folder);
    const { passed, failed } = countOf(job, output, isDone);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    const result = `== ${title}: ${passed} passed, ${failed} failed in ${seconds} s`;
    printAll(`\n${output}${result}\n`);
    total.passed += passed;
    total.failed += failed;
    if (failed > 0) failures.push(`${result}\n${whyFailed(output)}\n`);
  }

  const files = (await readSources(ROOT)).map(({ path }) => path).filter(isTest);
  const isChosen = ({ stage }: Job) => names.length === 0 || names.includes(stage);
  const chosen = (errands: readonly Errand<Job>[]) =>
    errands.map((errand) => errand.filter(isChosen)).filter((errand) => errand.length > 0);
  const { beside, alone } = planOf(files);
  await runInLanes(LANES, chosen(beside), work);
  await runInLanes(1, chosen(alone), work);
  print(["", ...failures, ""].join("\n"));
  print(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

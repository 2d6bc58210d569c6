/**
 * `deno task test [STAGE…]`: every gate of the project, two or more at a time. A job's output is
 * shown whole when it has ended; the last line is the sum, "N passed, N failed". A gate without
 * tests of its own (fmt, lint, check) counts as one. Tests that failed are run once more (gate.ts).
 * `--long`, which is `deno task test:long`, has the proofs run that take their time, and no others.
 * `--binary FILE` has the end-to-end tests that start the command line, and no others, start that
 * built file in place of the sources.
 */
import { join, resolve } from "node:path";
import { pause } from "../lib/pause.ts";
import { environmentFor } from "../worlds/command_line.ts";
import { type Errand, runInLanes } from "./lanes.ts";
import { type MemoryFolder, openMemoryFolder } from "./memory_folder.ts";
import { type Ended, Gate } from "./gate.ts";
import { print, printAll, stop } from "./print.ts";
import { type Job, longPlanOf, planOf } from "./stages.ts";
import { testsReaching } from "./test_choice.ts";
import { isTest, readSources } from "./tidy.ts";

const ROOT = join(import.meta.dirname!, "..");
/**
 * One more than processors, as half of the unit tests' time is waiting; more than four want the
 * memory of a large machine.
 */
const LANES = Math.min(navigator.hardwareConcurrency + 1, 4);

/**
 * Of what is made at random: the gate's answer depends on the sources alone. Another is tried by
 * KHACHAPURI_SEED.
 */
const SEED = "20261129";

/** No job takes half as long on the slowest machine, ms: one that hangs would hold up all. */
const JOB_MS = 10 * 60_000;
/** What a job that is ended has left behind may hold its output open, ms. */
const LEFT_MS = 5_000;

/**
 * Runs a job to its end, which comes after `JOB_MS`; its two streams come as one, in the order of
 * their arrival.
 */
async function run(
  { args, isScratching }: Job,
  folder: MemoryFolder,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  const deno = [Deno.execPath(), ...args];
  const [command, ...rest] = isScratching ? folder.around(deno) : deno;
  const child = new Deno.Command(command!, {
    args: rest,
    cwd: ROOT,
    env: { NO_COLOR: "1", KHACHAPURI_SEED: Deno.env.get("KHACHAPURI_SEED") ?? SEED, ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const collected = Promise.all([collect(child.stdout), collect(child.stderr)]);
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, JOB_MS);
  const { success } = await child.status;
  clearTimeout(late);
  await (isLate ? Promise.race([collected, pause(LEFT_MS)]) : collected);
  if (isLate) output += `\nended, as it took more than ${JOB_MS / 60_000} minutes\n`;
  return { output, isDone: success };
}

/** What starts the command line as a process of its own. */
const COMMAND_LINE = "worlds/command_line.ts";

interface Asked {
  isLong: boolean;
  /** The file that is to be tested; null: the sources. */
  binary: string | null;
  /** Of stages; none: all. */
  names: string[];
}

function readArguments(args: readonly string[]): Asked {
  const isLong = args.includes("--long");
  const rest = args.filter((arg) => arg !== "--long");
  const at = rest.indexOf("--binary");
  if (at < 0) return { isLong, binary: null, names: rest };
  const [, path] = rest.splice(at, 2);
  if (path === undefined) stop(["usage: deno task test [--long] [--binary FILE] [STAGE…]"]);
  return { isLong, binary: resolve(path), names: rest };
}

async function testFiles(binary: string | null): Promise<string[]> {
  const sources = await readSources(ROOT);
  if (binary === null) return sources.map(({ path }) => path).filter(isTest);
  if (!await Deno.stat(binary).then(({ isFile }) => isFile, () => false)) {
    stop([`test: ${binary} is no file; deno task package builds dist/khachapuri`]);
  }
  return testsReaching(COMMAND_LINE, sources).filter((path) => path.startsWith("tests/"));
}

async function main(args: readonly string[]): Promise<number> {
  const { isLong, binary, names } = readArguments(args);
  const files = await testFiles(binary);
  await using folder = await openMemoryFolder();
  const env = binary === null ? {} : environmentFor(binary);
  const gate = new Gate((job) => run(job, folder, env), printAll);
  const isAsked = ({ stage }: Job) => names.length === 0 || names.includes(stage);
  const isChosen = (job: Job) => isAsked(job) && (binary === null || job.stage === "end to end");
  const chosen = (errands: readonly Errand<Job>[]) =>
    errands.map((errand) => errand.filter(isChosen)).filter((errand) => errand.length > 0);
  const { beside, alone } = isLong ? longPlanOf(files) : planOf(files);
  const work = (job: Job) => gate.work(job);
  await runInLanes(LANES, chosen(beside), work);
  await runInLanes(1, chosen(alone), work);
  await gate.judge();
  print(gate.closing);
  return gate.total.failed === 0 && gate.total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

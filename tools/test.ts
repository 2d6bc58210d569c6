/**
 * `deno task test [STAGE…]`: every gate of the project, two or more at a time. A job's output is
 * shown whole when it has ended; the last line is the sum, "N passed, N failed". A gate without
 * tests of its own (fmt, lint, check) counts as one. Tests that failed are run once more (gate.ts).
 */
import { join } from "node:path";
import { type Errand, runInLanes } from "./lanes.ts";
import { type MemoryFolder, openMemoryFolder } from "./memory_folder.ts";
import { type Ended, Gate } from "./gate.ts";
import { print, printAll } from "./print.ts";
import { type Job, planOf } from "./stages.ts";
import { isTest, readSources } from "./tidy.ts";

const ROOT = join(import.meta.dirname!, "..");
/** Half of the tests' time is waiting; more than four lanes want memory of a large machine. */
const LANES = Math.min(Math.max(navigator.hardwareConcurrency, 2), 4);

/**
 * Of what is made at random: the gate's answer depends on the sources alone. Another is tried by
 * KHACHAPURI_SEED.
 */
const SEED = "20261129";

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

async function main(names: readonly string[]): Promise<number> {
  await using folder = await openMemoryFolder();
  const gate = new Gate((job) => run(job, folder), printAll);
  const files = (await readSources(ROOT)).map(({ path }) => path).filter(isTest);
  const isChosen = ({ stage }: Job) => names.length === 0 || names.includes(stage);
  const chosen = (errands: readonly Errand<Job>[]) =>
    errands.map((errand) => errand.filter(isChosen)).filter((errand) => errand.length > 0);
  const { beside, alone } = planOf(files);
  const work = (job: Job) => gate.work(job);
  await runInLanes(LANES, chosen(beside), work);
  await runInLanes(1, chosen(alone), work);
  await gate.judge();
  print(gate.closing);
  return gate.total.failed === 0 && gate.total.passed > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

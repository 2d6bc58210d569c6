/**
 * `deno task test:tasks [NAME…]`: starts every task of deno.json from a fresh clone of HEAD with an
 * empty home, and judges what becomes of it. Long ones are ended once they are past their set-up.
 * Takes some twenty minutes; what npm delivered is kept from one clone to the next.
 */
import { join } from "node:path";
import { complain, print } from "./print.ts";
import { runQuietly } from "./quiet.ts";
import { type Course, faultOf, isSoFar, type Trial, TRIALS } from "./task_trials.ts";

const ROOT = join(import.meta.dirname!, "..");
/** The slowest machine still type-checks everything in this time. */
const TRIAL_MS = 10 * 60_000;
/** What was told to end has this long. */
const END_MS = 30_000;
const LOOK_MS = 200;

async function main(names: readonly string[]): Promise<number> {
  const dir = await Deno.makeTempDir({ prefix: "khachapuri-tasks-" });
  let faults = 0;
  try {
    for (const trial of TRIALS) {
      if (names.length > 0 && !names.includes(trial.task)) continue;
      const course = await tryFresh(dir, trial);
      const fault = faultOf(trial, course);
      const line = ["task", trial.task, ...trial.args].join(" ");
      print(`${fault === null ? "ok   " : "WRONG"} ${line} (${course.seconds.toFixed(0)} s)`);
      if (fault === null) continue;
      faults++;
      complain(`${fault}\n${course.output.slice(-3_000)}`);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  print(faults === 0 ? "every task works from a fresh clone" : `${faults} wrong`);
  return faults === 0 ? 0 : 1;
}

async function tryFresh(dir: string, trial: Trial): Promise<Course> {
  const [clone, home] = [join(dir, "clone"), join(dir, "home")];
  const { isDone, said } = await runQuietly("git", ["clone", "--quiet", ROOT, clone]);
  if (!isDone) throw new Error(said);
  await Deno.mkdir(home);
  try {
    return await follow(trial, clone, home, join(dir, "deno"));
  } finally {
    for (const folder of [clone, home]) await Deno.remove(folder, { recursive: true });
  }
}

/** Starts the task in a session of its own, so that all it starts can be ended with it. */
async function follow(trial: Trial, cwd: string, home: string, cache: string): Promise<Course> {
  const child = new Deno.Command("setsid", {
    args: ["--wait", Deno.execPath(), "task", "--quiet", trial.task, ...trial.args],
    cwd,
    env: { HOME: home, DENO_DIR: cache, NO_COLOR: "1", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const startMs = performance.now();
  const course = { output: "", code: null as number | null, seconds: 0 };
  const read = [child.stdout, child.stderr].map(async (stream) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) course.output += text;
  });
  const ended = child.status.then(({ code }) => void (course.code = code));
  do {
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, LOOK_MS))]);
    course.seconds = (performance.now() - startMs) / 1_000;
  } while (!isSoFar(trial, course) && performance.now() - startMs < TRIAL_MS);
  const judged = { ...course };
  if (course.code === null) await endSession(child.pid, ended);
  await Promise.all([ended, ...read]);
  return { ...judged, output: course.code === judged.code ? course.output : judged.output };
}

async function endSession(pid: number, ended: Promise<void>): Promise<void> {
  const isGone = () =>
    Promise.race([
      ended.then(() => true),
      new Promise<boolean>((resolve) => setTimeout(() => resolve(false), END_MS)),
    ]);
  await runQuietly("pkill", ["-TERM", "-s", String(pid)]);
  if (!await isGone()) await runQuietly("pkill", ["-KILL", "-s", String(pid)]);
}

if (import.meta.main) Deno.exit(await main(Deno.args));

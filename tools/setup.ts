/**
 * Makes a bare machine ready for the tasks: npm packages into node_modules, the sandbox's helper,
 * and what only a system can bring (bubblewrap, a C compiler, age, curl). It prints a line for what
 * it does, and what others print only when they fail. Doing nothing takes a fraction of a second.
 * With `--sources` it stops at what the sources themselves need; with `--tests` it also gets what
 * single tests want, and without that they say what they did not run.
 */
import { join } from "node:path";
import { buildInit, isInitBuilt } from "../sandbox/build.ts";
import { asKhachapuriError } from "../lib/errors.ts";
import { complain, stop } from "./print.ts";
import { runQuietly } from "./quiet.ts";
import { COMPILER, requireAll, want, WANTED_BY_TESTS, WORLD } from "./requirements.ts";

const ROOT = join(import.meta.dirname!, "..");
/** anvil and forge are in deno.lock for this one alone. */
const SUPPORTED_TARGET = "x86_64-unknown-linux-gnu";
/** deno.lock as of the last installation. */
const INSTALLED_LOCK = join(ROOT, ".cache/deno.lock");

/** The npm packages of deno.lock, and nothing that is not in it. */
async function installNpmPackages(): Promise<void> {
  const lock = await Deno.readTextFile(join(ROOT, "deno.lock"));
  if (await Deno.readTextFile(INSTALLED_LOCK).catch(() => "") === lock && await hasPackages()) {
    return;
  }
  complain("setup: installing the npm packages of deno.lock");
  const args = ["install", "--quiet", "--frozen"];
  const { isDone, said } = await runQuietly(Deno.execPath(), args, { NO_COLOR: "1" });
  if (!isDone) {
    stop(["setup: `deno install --frozen` failed; is the npm registry reachable?", said]);
  }
  await Deno.mkdir(join(ROOT, ".cache"), { recursive: true });
  await Deno.writeTextFile(INSTALLED_LOCK, lock);
}

async function hasPackages(): Promise<boolean> {
  return await Deno.stat(join(ROOT, "node_modules/.deno")).then(() => true, () => false);
}

async function buildHelper(): Promise<void> {
  if (await isInitBuilt()) return;
  await requireAll("setup", COMPILER);
  complain("setup: building the sandbox's helper");
  await buildInit().catch((thrown) => {
    const { shortMessage, hints } = asKhachapuriError(thrown);
    stop([`setup: ${shortMessage}`, ...hints]);
  });
}

async function main(): Promise<void> {
  if (Deno.build.target !== SUPPORTED_TARGET) {
    stop([
      `setup: the tasks need ${SUPPORTED_TARGET}; this is ${Deno.build.target}`,
      "providers also run on arm64, from the package for it, which is built on x86-64",
    ]);
  }
  await installNpmPackages();
  await buildHelper();
  if (Deno.args.includes("--sources")) return;
  await requireAll("setup", [...WORLD, ...COMPILER]);
  if (Deno.args.includes("--tests")) await want(WANTED_BY_TESTS);
}

if (import.meta.main) await main();

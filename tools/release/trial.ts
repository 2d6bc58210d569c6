/**
 * `deno task test:release`: is a release the same bytes wherever it is built? Two clones of HEAD in
 * folders of different names, with different homes, caches, locales, time zones and umasks, one
 * after the other, each from nothing. Arguments are the release's own; it is signed by a key that
 * is made here.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { print, stop } from "../print.ts";
import { runQuietly } from "../quiet.ts";
import { writeTrialKey } from "./trial_key.ts";

const ROOT = join(import.meta.dirname!, "../..");

interface Place {
  /** Below a temporary folder. */
  readonly path: string;
  readonly umask: string;
  readonly env: Readonly<Record<string, string>>;
}

const PLACES: readonly Place[] = [
  { path: "a", umask: "022", env: { TZ: "UTC", LC_ALL: "C", LANG: "C", USER: "nino" } },
  {
    path: "another-folder/of-a-longer-name",
    umask: "077",
    env: { TZ: "Pacific/Kiritimati", LC_ALL: "tr_TR.UTF-8", LANG: "tr_TR.UTF-8", USER: "paolo" },
  },
];

async function must(command: string, args: readonly string[]): Promise<void> {
  const { isDone, said } = await runQuietly(command, args);
  if (!isDone) stop([`test:release: ${command} ${args[0]} failed`, said]);
}

/** Builds it in one place; each file's SHA-256 by its name. */
async function buildIn(
  dir: string,
  place: Place,
  commit: string,
  args: readonly string[],
): Promise<Digests> {
  const clone = join(dir, place.path);
  await Deno.mkdir(clone, { recursive: true });
  await must("git", ["clone", "--quiet", "--no-hardlinks", ROOT, clone]);
  await must("git", ["-C", clone, "checkout", "--quiet", "--detach", commit]);
  const home = join(clone, "../home");
  await Deno.mkdir(home, { recursive: true });
  const shell = `umask ${place.umask}; cd "$0"; exec "$@"`;
  const task = [Deno.execPath(), "task", "--quiet", "release", ...args];
  const PATH = Deno.env.get("PATH")!;
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", shell, clone, ...task],
    clearEnv: true,
    env: { ...place.env, ...inherited(), HOME: home, PATH, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (!success) stop([`test:release: ${place.path}: it failed`, text(stdout), text(stderr)]);
  return await digestsOf(join(clone, "dist/release"));
}

const REGISTRYS =
  /^(?:npm_config_registry|deno_cert|deno_tls_ca_store|node_extra_ca_certs|.*_proxy)$/i;

/** How the registry is reached is the machine's, and nothing of it may be seen in what is built. */
function inherited(): Record<string, string> {
  const variables = Object.entries(Deno.env.toObject());
  return Object.fromEntries(variables.filter(([name]) => REGISTRYS.test(name)));
}

type Digests = Readonly<Record<string, string>>;

async function digestsOf(dir: string): Promise<Digests> {
  const digests: Record<string, string> = {};
  for await (const { name } of Deno.readDir(dir)) {
    const bytes = await Deno.readFile(join(dir, name));
    digests[name] = createHash("sha256").update(bytes).digest("hex");
  }
  return digests;
}

async function main(): Promise<void> {
  const dir = await Deno.makeTempDir();
  let differences = 0;
  try {
    const key = await writeTrialKey(dir);
    const args = ["--key", key, ...Deno.args];
    const built: Digests[] = [];
    // Somebody may commit while it is built.
    const { said: commit } = await runQuietly("git", ["-C", ROOT, "rev-parse", "HEAD"]);
    for (const place of PLACES) built.push(await buildIn(dir, place, commit, args));
    const [first, second] = built as [Digests, Digests];
    for (const name of [...new Set(built.flatMap((each) => Object.keys(each)))].sort()) {
      const isSame = first[name] === second[name];
      if (!isSame) differences++;
      print(`${isSame ? "same     " : "DIFFERENT"}  ${first[name] ?? second[name]}  ${name}`);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  print(differences === 0 ? "both builds are the same bytes" : `${differences} files differ`);
  if (differences > 0) Deno.exit(1);
}

if (import.meta.main) await main();

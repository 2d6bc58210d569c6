/** The deno that a release's package has inside: taken from npm, and checked before it is used. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { complain, stop } from "../print.ts";
import { type Architecture, DENO_VERSION } from "./architectures.ts";

const CACHE = join(import.meta.dirname!, "../../.cache/runtimes");

/**
 * The path of an architecture's deno. Deno itself fetches the package and holds it against the
 * integrity in the lock that we write; what it unpacks, or had unpacked before, is held against
 * the executable's own digest each time.
 */
export async function fetchDeno(architecture: Architecture): Promise<string> {
  const { denoPackage, sha256 } = architecture;
  const dir = join(CACHE, `${denoPackage.replace("/", "+")}@${DENO_VERSION}`);
  const path = join(dir, "node_modules", denoPackage, "deno");
  if (await digestOf(path) === sha256) return path;
  await Deno.remove(dir, { recursive: true }).catch(() => {});
  await Deno.mkdir(dir, { recursive: true });
  complain(`release: fetching ${denoPackage}@${DENO_VERSION}`);
  await writeProject(dir, architecture);
  const args = ["install", "--quiet", "--frozen"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: dir,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) {
    const said = new TextDecoder().decode(stderr).trim();
    stop([`release: ${denoPackage}@${DENO_VERSION} can't be had as it has to be:`, said]);
  }
  const found = await digestOf(path);
  if (found === sha256) return path;
  stop([`release: deno of ${denoPackage}@${DENO_VERSION} has SHA-256 ${found}, not ${sha256}`]);
}

/** A project that depends on that one package, locked. */
async function writeProject(dir: string, { denoPackage, integrity }: Architecture): Promise<void> {
  const name = `npm:${denoPackage}@${DENO_VERSION}`;
  const manifest = { nodeModulesDir: "auto", imports: { deno: name } };
  const lock = {
    version: "5",
    specifiers: { [name]: DENO_VERSION },
    npm: { [`${denoPackage}@${DENO_VERSION}`]: { integrity, ...platformOf(denoPackage) } },
    workspace: { dependencies: [name] },
  };
  await Deno.writeTextFile(join(dir, "deno.json"), JSON.stringify(manifest));
  await Deno.writeTextFile(join(dir, "deno.lock"), JSON.stringify(lock));
}

/** As the package's manifest has it: `--frozen` wants a lock that says the same. */
function platformOf(denoPackage: string): { os: string[]; cpu: string[] } {
  const [, os, cpu] = /^@deno\/(\w+)-(\w+)-/.exec(denoPackage)!;
  return { os: [os!], cpu: [cpu!] };
}

async function digestOf(path: string): Promise<string | null> {
  try {
    return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return null;
    throw thrown;
  }
}

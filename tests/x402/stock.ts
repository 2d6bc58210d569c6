/**
 * The stock clients of x402, as npm has them, in a folder of their own (.cache/x402): nothing that
 * is shipped needs them, so deno.lock knows none. Plain Node runs them, as it does for agents.
 */
import { join } from "node:path";
import { buildNpmPackage } from "../../tools/package_npm.ts";
import { complain } from "../../tools/print.ts";
import { runQuietly } from "../../tools/quiet.ts";

export const CLIENTS = join(import.meta.dirname!, "../../.cache/x402");

/** By their exact versions. */
const PACKAGES: Readonly<Record<string, string>> = {
  "@x402/core": "2.27.0",
  "@x402/evm": "2.27.0",
  "@x402/fetch": "2.27.0",
  "viem": "2.57.20",
};

/** Written when all packages are there; holds which. */
const RECORD = join(CLIENTS, "installed.json");

/**
 * Installs the clients where they are not yet, which takes half a minute; no script of theirs runs.
 * @returns whether they are there
 */
export async function areStockClientsThere(): Promise<boolean> {
  await Deno.mkdir(CLIENTS, { recursive: true });
  // Tests run beside each other, and one npm at a time is enough.
  using lock = await Deno.open(join(CLIENTS, "lock"), { create: true, write: true });
  await lock.lock(true);
  const wanted = JSON.stringify(PACKAGES);
  if (await Deno.readTextFile(RECORD).catch(() => "") === wanted) return true;
  await Deno.writeTextFile(
    join(CLIENTS, "package.json"),
    '{ "private": true, "type": "module" }\n',
  );
  const names = Object.entries(PACKAGES).map(([name, version]) => `${name}@${version}`);
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--loglevel=error"];
  const args = ["--prefix", CLIENTS, "install", ...quiet, ...names];
  const { isDone, said } = await runQuietly("npm", args);
  if (isDone) await Deno.writeTextFile(RECORD, wanted);
  else complain(`x402: the stock clients are not installed, their tests are NOT RUN\n${said}`);
  return isDone;
}

/** A folder in which modules find the stock clients and our package, built anew. */
export interface Workplace extends AsyncDisposable {
  readonly dir: string;
}

export async function openWorkplace(): Promise<Workplace> {
  // Node looks for packages in the folders above, too.
  const dir = await Deno.makeTempDir({ dir: CLIENTS });
  const { path } = await buildNpmPackage(join(dir, "built"));
  const place = join(dir, "node_modules/@khachapuri/x402-credits");
  await Deno.mkdir(place, { recursive: true });
  // As npm unpacks it.
  const { isDone, said } = await runQuietly("tar", ["-xzf", path, "-C", place, "--strip=1"]);
  if (!isDone) throw new Error(said);
  return { dir, [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }) };
}

/** Plain Node, running a module beside the clients that answers each line with one. */
export interface NodeProcess extends AsyncDisposable {
  /** @throws Error with what it said on stderr, when it ended instead */
  ask(line: string): Promise<string>;
}

/** @param source of the module; it ends when its stdin does */
export async function startNode(source: string): Promise<NodeProcess> {
  await using stack = new AsyncDisposableStack();
  const { dir } = stack.use(await openWorkplace());
  const file = join(dir, "main.mjs");
  await Deno.writeTextFile(file, source);
  const child = new Deno.Command("node", {
    args: [file],
    cwd: dir,
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream()).getReader();
  const complaints = new Response(child.stderr).text();
  const owned = stack.move();
  return {
    async ask(line) {
      await input.write(new TextEncoder().encode(`${line}\n`));
      const { done, value } = await lines.read();
      if (done) throw new Error(`node ended: ${await complaints}`);
      return value;
    },
    async [Symbol.asyncDispose]() {
      await input.close().catch(() => {});
      await Promise.all([child.status, complaints, lines.cancel()]);
      await owned.disposeAsync();
    },
  };
}

/** Whole lines. */
class TextLineStream extends TransformStream<string, string> {
  constructor() {
    let rest = "";
    super({
      transform(text, controller) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
    });
  }
}

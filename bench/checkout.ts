/** Two checkouts of this project, measured side by side: this one and an earlier commit. */
import { join } from "node:path";
import { startChildProvider } from "../worlds/child_provider.ts";

const ROOT = join(import.meta.dirname!, "..");
const AGAINST = "--against=";

/** A checkout whose provider is measured. */
export interface Checkout {
  readonly name: string;
  readonly root: string;
}

/** This checkout. */
export const HERE: Checkout = { name: "here", root: ROOT };

/** The commit that `--against=COMMIT` names; null without it. */
export function otherCommit(args: readonly string[] = Deno.args): string | null {
  return args.find((argument) => argument.startsWith(AGAINST))?.slice(AGAINST.length) ?? null;
}

/** Unpacks a commit into `dir`, with the packages that are here and a helper of its own. */
export async function checkOut(commit: string, dir: string): Promise<Checkout> {
  const archive = join(dir, "checkout.tar");
  await outputOf("git", ["-C", ROOT, "archive", "-o", archive, commit]);
  const root = join(dir, "checkout");
  await Deno.mkdir(root);
  await outputOf("tar", ["-xf", archive, "-C", root]);
  await Deno.symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
  const build = ["run", "--no-prompt", "--allow-read", `--allow-write=${root}`, "--allow-run"];
  await outputOf(Deno.execPath(), [...build, join(root, "sandbox/build.ts")], root);
  return { name: commit, root };
}

/**
 * Copies a provider's home, in which no call was paid for. Without the ledger: one that a later
 * release has written an earlier one refuses.
 */
async function copyHome(from: string, to: string): Promise<void> {
  await outputOf("cp", ["-a", from, to]);
  await removeLedger(join(to, "state/book"));
}

/** A checkout's provider that serves from a copy of a home. */
export interface ServedCopy {
  readonly name: string;
  readonly pid: number;
  readonly url: string;
  /** Ends it, and removes the copy. */
  stop(): Promise<void>;
}

/** Starts a checkout's provider on a copy of `from`, beside it. */
export async function serveCopy({ name, root }: Checkout, from: string): Promise<ServedCopy> {
  const home = join(from, `../${name}-${crypto.randomUUID()}`);
  await copyHome(from, home);
  const child = await startChildProvider(home, { logLevel: "info", root });
  const url = await child.url;
  if (url === null) throw new Error(`${name} does not start: see ${home}/provider.log`);
  return {
    name,
    pid: child.pid,
    url,
    async stop() {
      await child.stop();
      await Deno.remove(home, { recursive: true });
    },
  };
}

/** Removes the ledger, with all that SQLite and archives put beside it, from a folder of books. */
export async function removeLedger(book: string): Promise<void> {
  for await (const { name } of Deno.readDir(book)) {
    if (name.startsWith("ledger.db")) await Deno.remove(join(book, name), { recursive: true });
  }
}

/** What a command prints; it fails when the command does. */
export async function outputOf(
  command: string,
  args: readonly string[],
  cwd: string = ROOT,
): Promise<string> {
  const { success, stdout } = await new Deno.Command(command, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`${command} ${args[0]} failed`);
  return new TextDecoder().decode(stdout);
}

/** The native helper (init/): where it lies, how it is put there, how it is started. */
import { dirname } from "node:path";
import { KhachapuriError } from "../lib/errors.ts";
import { INIT_SHA256 } from "../.cache/init/init_digest.ts";
import { ownMachine } from "./machine.ts";
import type { SandboxHost } from "./policy.ts";
import { sha256 } from "./sha256.ts";

/** Beside a bundle's folder; else where `deno task setup` builds it. */
const SHIPPED = ["../khachapuri-init", "../.cache/init/khachapuri-init"];

/**
 * Where the helper is by default. A compiled binary has no file beside it: it keeps its helper in
 * the user's cache.
 */
async function defaultPath(): Promise<string> {
  if (foundAt !== null) return foundAt;
  if (Deno.build.standalone) return `${Deno.env.get("HOME")}/.cache/khachapuri/khachapuri-init`;
  for (const place of SHIPPED) {
    const { pathname } = new URL(place, import.meta.url);
    if (await Deno.stat(pathname).then(({ isFile }) => isFile, () => false)) {
      return foundAt = pathname;
    }
  }
  throw new KhachapuriError("sandbox_unavailable", "the sandbox's native helper is missing", {
    hints: ["deno task setup"],
  });
}

/** Where it is, once it was looked for: each sandbox is started by it. */
let foundAt: string | null = null;

/** Paths at which this process has found or written the helper that it carries. */
const verified = new Set<string>();

/**
 * The helper's path. A file there that is not the helper that this version carries is replaced.
 * @throws KhachapuriError `sandbox_unavailable` when it can be neither found nor written, and on a
 * machine that there is none for
 */
export async function helperPath(host: Pick<SandboxHost, "helperPath"> = {}): Promise<string> {
  ownMachine();
  const path = host.helperPath ?? await defaultPath();
  if (verified.has(path)) return path;
  try {
    const there = await Deno.readFile(path).catch(() => null);
    if (there === null || await sha256(there) !== INIT_SHA256) await install(path);
  } catch (cause) {
    throw new KhachapuriError("sandbox_unavailable", `cannot write the sandbox helper to ${path}`, {
      hints: ["make its folder writable for the provider"],
      cause,
    });
  }
  verified.add(path);
  return path;
}

/**
 * Written under another name and renamed, as a file that is being executed cannot be written. Only
 * here is the helper itself loaded: a provider that finds it in its place keeps no copy.
 */
async function install(path: string): Promise<void> {
  const { INIT_BASE64 } = await import("../.cache/init/init_base64.ts");
  const fresh = `${path}.${Deno.pid}`;
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeFile(fresh, Uint8Array.fromBase64(INIT_BASE64));
  // Whatever our umask is: init is executed under the uid that programs run as.
  await Deno.chmod(fresh, 0o755);
  await Deno.rename(fresh, path);
}

/** What of its start may be otherwise than a sandbox wants it. */
export type HelperOptions = Pick<
  Deno.CommandOptions,
  "clearEnv" | "cwd" | "env" | "stdin" | "stdout" | "stderr"
>;

/** With an empty environment, which everything that the helper starts inherits. */
function helperCommand(
  path: string,
  args: readonly string[],
  options: HelperOptions,
): Deno.Command {
  // A compiled binary's permission to run names a path that is fixed when it is built, and its
  // helper lies in the user's home: it may start /usr/bin/env, which starts the helper.
  const [command, ...before] = Deno.build.standalone ? ["/usr/bin/env", path] : [path];
  return new Deno.Command(command!, {
    args: [...before, ...args],
    clearEnv: true,
    // Whoever started us by runuser may stand in a folder that is closed to us, as /root is.
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    ...options,
  });
}

/**
 * Starts the helper.
 * @throws KhachapuriError `sandbox_unavailable`
 */
export function spawnHelper(
  path: string,
  args: readonly string[],
  options: HelperOptions = {},
): Deno.ChildProcess {
  try {
    return helperCommand(path, args, options).spawn();
  } catch (cause) {
    throw new KhachapuriError("sandbox_unavailable", `cannot start ${path}`, {
      hints: ["allow it: --allow-run with this path"],
      cause,
    });
  }
}

/** What this machine's kernel lets us limit. */
export interface HostLimits {
  /** Bits of `CONTROLLER`. */
  controllers: number;
  /** Cgroups of providers that are gone, now removed. */
  swept: number;
  /** Why there are no cgroup limits; empty when there are. */
  missing: string;
  /** Whether programs can run as another uid than ours. */
  choosesUid: boolean;
  /** Descriptors that all processes of one uid may have watched by epoll(7); 0: not known. */
  watches: number;
}

const prepared = new Map<string, Promise<HostLimits>>();

/**
 * Lays out our cgroups and removes those that earlier providers left. Done once in a process,
 * before its first sandbox; later calls get the same answer.
 */
export async function prepareHost(host: SandboxHost): Promise<HostLimits> {
  const path = await helperPath(host);
  const known = prepared.get(path);
  if (known) return await known;
  const fresh = askHost(path);
  prepared.set(path, fresh);
  fresh.catch(() => prepared.delete(path));
  return await fresh;
}

async function askHost(path: string): Promise<HostLimits> {
  const child = spawnHelper(path, ["prepare"]);
  await child.stdin.close();
  const { stdout } = await child.output();
  const lines = new TextDecoder().decode(stdout).split("\n").map((line) => line.split("="));
  const fields = Object.fromEntries(lines);
  return {
    controllers: Number(fields.controllers),
    swept: Number(fields.swept),
    missing: String(fields.missing),
    choosesUid: fields.choosesUid === "1",
    watches: Number(fields.watches),
  };
}

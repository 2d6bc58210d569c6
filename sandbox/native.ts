/** The native helper: where it is, how it is put there, how it is started. */
import { dirname } from "node:path";
import { KhachapuriError } from "../lib/errors.ts";
import { INIT_BASE64 } from "../.cache/init/init_base64.ts";
import type { SandboxHost } from "./policy.ts";

/** Beside a bundle, or where `deno task setup` builds it. */
const SHIPPED = ["khachapuri-init", "../.cache/init/khachapuri-init"];

/**
 * Where the helper is by default. A compiled binary has no file beside it: it keeps its helper in
 * the user's cache.
 */
async function defaultPath(): Promise<string> {
  if (Deno.build.standalone) return `${Deno.env.get("HOME")}/.cache/khachapuri/khachapuri-init`;
  for (const place of SHIPPED) {
    const { pathname } = new URL(place, import.meta.url);
    if (await Deno.stat(pathname).then(({ isFile }) => isFile, () => false)) return pathname;
  }
  throw new KhachapuriError("sandbox_unavailable", "the sandbox's native helper is missing", {
    hints: ["deno task setup"],
  });
}

/** Places that are known to hold this version's helper. */
const verified = new Set<string>();

/**
 * The helper's path, after making sure that it is there and is the one we carry.
 * @throws KhachapuriError `sandbox_unavailable` when it can be neither found nor written
 */
export async function helperPath(host: SandboxHost): Promise<string> {
  const path = host.helperPath ?? await defaultPath();
  if (verified.has(path)) return path;
  const ours = Uint8Array.fromBase64(INIT_BASE64);
  try {
    const there = await Deno.readFile(path).catch(() => null);
    if (there === null || !sameBytes(there, ours)) await install(path, ours);
  } catch (cause) {
    throw new KhachapuriError("sandbox_unavailable", `cannot write the sandbox helper to ${path}`, {
      hints: ["make its folder writable for the provider"],
      cause,
    });
  }
  verified.add(path);
  return path;
}

/** Under a name of its own first: the old one may be executing. */
async function install(path: string, bytes: Uint8Array): Promise<void> {
  const fresh = `${path}.${Deno.pid}`;
  await Deno.mkdir(dirname(path), { recursive: true });
  await Deno.writeFile(fresh, bytes, { mode: 0o755 });
  await Deno.rename(fresh, path);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** The helper with an empty environment, as everything that comes of it inherits. */
function helperCommand(path: string, args: readonly string[]): Deno.Command {
  // What a compiled binary may start is fixed before anyone knows where its helper will be.
  const [command, ...before] = Deno.build.standalone ? ["/usr/bin/env", path] : [path];
  return new Deno.Command(command!, {
    args: [...before, ...args],
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/**
 * Starts the helper.
 * @throws KhachapuriError `sandbox_unavailable`
 */
export function spawnHelper(path: string, args: readonly string[]): Deno.ChildProcess {
  try {
    return helperCommand(path, args).spawn();
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
  /** Leftovers of earlier providers that were removed. */
  swept: number;
  /** Why there are no cgroup limits; empty when there are. */
  missing: string;
}

const prepared = new Map<string, Promise<HostLimits>>();

/**
 * Lays out our cgroups and removes what earlier providers left; once in a process, before its
 * first sandbox.
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
  };
}

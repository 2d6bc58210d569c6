/** What is looked at to judge whether a program can be started: some of it, some of the machine. */
import { join, normalize } from "node:path";
import { PROGRAM_PATH_BYTES_MAX } from "../limits.ts";
import { type Executable, EXECUTABLE_HEAD_BYTES, readExecutable } from "./executable.ts";

/** What is started, as a spec says it. */
export interface StartCommand {
  /** Relative to the program's folder. */
  entrypoint: string;
  env: Readonly<Record<string, string>>;
}

/** What judging a start looks at. */
export interface StartFacts {
  /** As people write it, without "./". */
  entrypoint: string;
  kind: "file" | "folder" | "missing" | "dangling";
  executable: boolean;
  /** Bytes. */
  size: number;
  /** Its first bytes; empty unless it is a file with any. */
  head: Uint8Array;
  /** What the program's folder holds beside it. */
  neighbours: readonly string[];
  /** The file that its script line or its loader's name says starts it; null: none is needed. */
  starter: Starter | null;
}

export interface Starter {
  name: string;
  /** "outside": where a program sees nothing of the machine it runs on. */
  place: "program" | "machine" | "outside";
  isThere: boolean;
}

/** Of a machine's files a program sees those below here (sandbox/launch.ts). */
const VISIBLE = /^\/(usr|bin|lib|lib64)\//;
/** Where a program sees its own folder. */
const HOME = "/app";
/** Where programs are looked for unless a spec's environment says otherwise (sandbox.ts). */
const SEARCH_PATH = ["/usr/local/bin", "/usr/bin", "/bin"];

/**
 * Looks at an unpacked program, and at this machine as far as its start needs it.
 * @param dir the program's folder; its links lead nowhere else
 */
export async function readStart(dir: string, command: StartCommand): Promise<StartFacts> {
  const entrypoint = command.entrypoint.replace(/^(\.\/)+/, "");
  const path = join(dir, entrypoint);
  const info = await Deno.stat(path).catch(() => null);
  const kind = info === null ? await absence(path) : info.isFile ? "file" : "folder";
  const neighbours = info === null ? await namesIn(dir) : [];
  const executable = ((info?.mode ?? 0) & 0o111) !== 0;
  const size = kind === "file" ? info!.size : 0;
  const facts = { entrypoint, kind, executable, size, neighbours } as const;
  if (size === 0) return { ...facts, head: new Uint8Array(), starter: null };
  const head = await readAt(path, 0, EXECUTABLE_HEAD_BYTES);
  const starter = await starterOf(dir, path, readExecutable(head), command.env);
  return { ...facts, head, starter };
}

/** A link in a program may lead to what is made, or mounted, later: to start it must be there. */
async function absence(path: string): Promise<"missing" | "dangling"> {
  return await Deno.lstat(path).then(() => "dangling" as const, () => "missing" as const);
}

async function namesIn(dir: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(dir)).catch(() => []);
  return entries.filter(({ isFile }) => isFile).map(({ name }) => name).sort();
}

async function readAt(path: string, offset: number, bytes: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  await file.seek(offset, Deno.SeekMode.Start);
  const buffer = new Uint8Array(bytes);
  let filled = 0;
  for (let got; filled < bytes && (got = await file.read(buffer.subarray(filled)));) filled += got;
  return buffer.subarray(0, filled);
}

async function starterOf(
  dir: string,
  path: string,
  executable: Executable,
  env: StartCommand["env"],
): Promise<Starter | null> {
  if (executable.kind === "elf" && executable.loader) {
    const { offset, size } = executable.loader;
    const isInside = offset + size <= (await Deno.stat(path)).size;
    const length = Math.min(size, PROGRAM_PATH_BYTES_MAX);
    const bytes = isInside ? await readAt(path, offset, length) : new Uint8Array();
    return await look(dir, new TextDecoder().decode(bytes).replace(/\0[^]*$/, ""));
  }
  if (executable.kind !== "script" || executable.interpreter === "") return null;
  const interpreter = await look(dir, executable.interpreter);
  const name = interpreter.isThere ? searchedName(executable) : null;
  if (name === null || name.includes("/") || env.PATH !== undefined) return interpreter;
  for (const folder of SEARCH_PATH) {
    const found = await look(dir, `${folder}/${name}`);
    if (found.isThere) return found;
  }
  return { name, place: "machine", isThere: false };
}

/** What `env` is asked to look for; null where it is not `env` that starts the script. */
function searchedName({ interpreter, argument }: Executable & { kind: "script" }): string | null {
  if (!/^\/(usr\/)?bin\/env$/.test(interpreter)) return null;
  if (!argument.startsWith("-")) return /[\s=]/.test(argument) ? null : argument || null;
  const [option, ...rest] = argument.split(/\s+/);
  const words = [option!.slice("-S".length), ...rest].filter((word) => word !== "");
  return option!.startsWith("-S") && /^[^-=]+$/.test(words[0] ?? "") ? words[0]! : null;
}

async function look(dir: string, name: string): Promise<Starter> {
  const path = normalize(name.startsWith("/") ? name : `${HOME}/${name}`);
  const isOwn = path.startsWith(`${HOME}/`);
  const place = isOwn ? "program" : VISIBLE.test(path) ? "machine" : "outside";
  const real = isOwn ? join(dir, path.slice(HOME.length)) : path;
  const info = place === "outside" ? null : await Deno.stat(real).catch(() => null);
  return { name, place, isThere: info?.isFile === true && ((info.mode ?? 0) & 0o111) !== 0 };
}

/** What is looked at to judge whether a program can be started: some of it, some of the machine. */
import { basename, normalize } from "node:path";
import { PROGRAM_PATH_BYTES_MAX } from "../limits.ts";
import { familyOf, RUNTIME_FOLDERS } from "../runtime.ts";
import { type Executable, EXECUTABLE_HEAD_BYTES, readExecutable } from "./executable.ts";
import { type ProgramView, unpackedView } from "./program_view.ts";

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
  /**
   * What of a machine a script is started with, as its first line has it: an absolute path, or a
   * name that env looks for; null: nothing, or what only a run would tell.
   */
  interpreter: string | null;
}

export interface Starter {
  name: string;
  /** "outside": where a program sees nothing of the machine it runs on. */
  place: "program" | "machine" | "outside";
  isThere: boolean;
  /** Names of the same program's that are there in its place, e.g. python3 for python. */
  near: readonly string[];
}

/** Of a machine's files a program sees those below here (sandbox/launch.ts). */
const VISIBLE = /^\/(usr|bin|lib|lib64)\//;
/** Where a program sees its own folder. */
const HOME = "/app";
/** Linux follows so many scripts in a row, each of which starts the next (exec_binprm). */
const SCRIPT_DEPTH = 5;

/**
 * Looks at a program, and at this machine as far as its start needs it.
 * @param program its folder, unpacked, whose links lead nowhere else; or a view of it
 */
export async function readStart(
  program: string | ProgramView,
  command: StartCommand,
): Promise<StartFacts> {
  const view = typeof program === "string" ? unpackedView(program) : program;
  const entrypoint = command.entrypoint.replace(/^(\.\/)+/, "");
  const info = await view.look(entrypoint);
  const kind = info === null ? await absence(view, entrypoint) : info.isFile ? "file" : "folder";
  const neighbours = info === null ? await view.names() : [];
  const executable = info?.executable ?? false;
  const size = kind === "file" ? info!.size : 0;
  const facts = { entrypoint, kind, executable, size, neighbours } as const;
  if (size === 0) return { ...facts, head: new Uint8Array(), starter: null, interpreter: null };
  return { ...facts, ...await startedWith(view, entrypoint, command.env, SCRIPT_DEPTH) };
}

/** What starts a file; where that is a script of the program's own, what starts that one. */
async function startedWith(
  view: ProgramView,
  path: string,
  env: StartCommand["env"],
  depth: number,
): Promise<Pick<StartFacts, "head" | "starter" | "interpreter">> {
  const head = await view.read(path, 0, EXECUTABLE_HEAD_BYTES);
  const executable = readExecutable(head);
  const interpreter = interpreterOf(executable, env);
  const starter = await starterOf(view, path, executable, interpreter);
  const isOwn = starter?.place === "program" && starter.isThere;
  if (isOwn && depth > 1 && executable.kind === "script") {
    const inner = await startedWith(view, within(starter.name), env, depth - 1);
    if (inner.starter !== null) return { ...inner, head };
  }
  return { head, starter, interpreter };
}

/** A link in a program may lead to what is made, or mounted, later: to start it must be there. */
async function absence(view: ProgramView, path: string): Promise<"missing" | "dangling"> {
  return await view.has(path) ? "dangling" : "missing";
}

async function starterOf(
  view: ProgramView,
  path: string,
  executable: Executable,
  asked: string | null,
): Promise<Starter | null> {
  if (executable.kind === "elf" && executable.loader) {
    const { offset, size } = executable.loader;
    const isInside = offset + size <= (await view.look(path))!.size;
    const length = Math.min(size, PROGRAM_PATH_BYTES_MAX);
    const bytes = isInside ? await view.read(path, offset, length) : new Uint8Array();
    return await look(view, new TextDecoder().decode(bytes).replace(/\0[^]*$/, ""));
  }
  if (executable.kind !== "script" || executable.interpreter === "") return null;
  const interpreter = await look(view, executable.interpreter);
  if (asked === null || asked.includes("/") || !interpreter.isThere) return interpreter;
  for (const folder of RUNTIME_FOLDERS) {
    const name = `${folder}/${asked}`;
    if (await isVisible(name)) return { name, place: "machine", isThere: true, near: [] };
  }
  return { name: asked, place: "machine", isThere: false, near: await near(asked) };
}

/** What of a machine starts a script; null: nothing, or what only a run would tell. */
function interpreterOf(executable: Executable, env: StartCommand["env"]): string | null {
  if (executable.kind !== "script" || executable.interpreter === "") return null;
  const name = searchedName(executable);
  if (name !== null) return name.includes("/") || env.PATH !== undefined ? null : name;
  const path = normalize(executable.interpreter);
  return VISIBLE.test(path) ? path : null;
}

/** What `env` is asked to look for; null where it is not `env` that starts the script. */
function searchedName({ interpreter, argument }: Executable & { kind: "script" }): string | null {
  if (!/^\/(usr\/)?bin\/env$/.test(interpreter)) return null;
  if (!argument.startsWith("-")) return /[\s=]/.test(argument) ? null : argument || null;
  const [option, ...rest] = argument.split(/\s+/);
  const words = [option!.slice("-S".length), ...rest].filter((word) => word !== "");
  const name = words.find((word) => !/^(?!PATH=)\w+=[^"'\\$]*$/.test(word)) ?? "";
  return option!.startsWith("-S") && /^[^-="'\\$][^="'\\$]*$/.test(name) ? name : null;
}

async function look(view: ProgramView, name: string): Promise<Starter> {
  const path = normalize(name.startsWith("/") ? name : `${HOME}/${name}`);
  if (path.startsWith(`${HOME}/`)) {
    const file = await view.look(within(name));
    const isThere = file?.isFile === true && file.executable;
    return { name, place: "program", isThere, near: [] };
  }
  if (!VISIBLE.test(path)) return { name, place: "outside", isThere: false, near: [] };
  const isThere = await isVisible(path);
  return { name, place: "machine", isThere, near: isThere ? [] : await near(path) };
}

/** A file's path in the program, by the name that the program has for it. */
function within(name: string): string {
  return normalize(name.startsWith("/") ? name : `${HOME}/${name}`).slice(HOME.length + 1);
}

async function isExecutable(path: string): Promise<boolean> {
  const info = await Deno.stat(path).catch(() => null);
  return info?.isFile === true && ((info.mode ?? 0) & 0o111) !== 0;
}

/** A link of the machine's may lead to where programs see nothing, e.g. to /opt. */
async function isVisible(path: string): Promise<boolean> {
  return await isExecutable(path) && VISIBLE.test(await Deno.realPath(path));
}

/**
 * Whether a program finds an interpreter on this machine.
 * @param asked a name that env looks for, or an absolute path
 */
export async function hasInterpreter(asked: string): Promise<boolean> {
  if (asked.length > PROGRAM_PATH_BYTES_MAX) return false;
  const path = normalize(asked);
  if (asked.includes("/")) return VISIBLE.test(path) && await isVisible(path);
  const found = await Promise.all(RUNTIME_FOLDERS.map((folder) => isVisible(`${folder}/${asked}`)));
  return found.includes(true);
}

/** Names, and paths, of the same program that this machine has in place of one. */
async function near(asked: string): Promise<string[]> {
  const wanted = basename(asked);
  const found = new Set<string>();
  for (const folder of RUNTIME_FOLDERS) {
    const entries = await Array.fromAsync(Deno.readDir(folder)).catch(() => []);
    for (const { name } of entries) {
      const path = `${folder}/${name}`;
      if (familyOf(name) !== familyOf(wanted) || !await isVisible(path)) continue;
      found.add(name === wanted ? path : name);
    }
  }
  return [...found].sort();
}

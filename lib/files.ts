/**
 * Files, with every refusal of the file system in words: which file, what is wrong with it, what to
 * do. The standard streams are files, too, under the names that a shell knows them by.
 */
import { dirname } from "node:path";
import { type ErrorCode, KhachapuriError } from "./errors.ts";

/** Text without the byte order mark with which editors on Windows begin a file. */
export function withoutMark(text: string): string {
  return text.replace(/^\ufeff/, "");
}

/** What was to be done with a file, as the message has it: "… can't be read". */
export type FileAct = "read" | "written" | "made" | "locked" | "looked at" | "removed";

interface Refusal {
  readonly code: ErrorCode;
  readonly why: string;
  /** What to do; "PATH" and "FOLDER" stand for the file and the folder that it is in. */
  readonly hint: string;
}

const unusable = (why: string, hint: string): Refusal => ({ code: "file_unusable", why, hint });
const denied = (why: string, hint: string): Refusal => ({ code: "access_denied", why, hint });

const PERMISSION = denied("permission denied", "see ls -ld PATH FOLDER");
const MISSING: Refusal = {
  code: "not_found",
  why: "it does not exist",
  hint: "check its path: ls FOLDER",
};
const NO_FOLDER: Refusal = {
  code: "not_found",
  why: "its folder does not exist",
  hint: "mkdir -p FOLDER",
};
const DANGLING: Refusal = {
  code: "not_found",
  why: "it is a link to what does not exist",
  hint: "see ls -l PATH",
};

/** By errno (errno(3) on Linux). */
const REFUSALS: Readonly<Record<number, Refusal>> = {
  1: denied("the system does not permit it", "see lsattr and mount"),
  2: MISSING,
  5: unusable("the disk reports an error", "see dmesg"),
  6: unusable("it is a socket, or a device that is not there", "name a file"),
  12: unusable("no memory is left", "free some, and try again"),
  13: PERMISSION,
  16: unusable("it is in use", "end what uses it: fuser PATH"),
  17: unusable("it is there already", "remove it, or name another"),
  18: unusable("it is on another file system", "name one on the same"),
  19: unusable("there is no such device", "name a file"),
  20: unusable("a part of its path is no folder", "name a file in a folder"),
  21: unusable("it is a folder", "name a file in it"),
  22: unusable("the file system can't do that with it", "name a file on an ordinary disk"),
  23: unusable("the system has no more files to open", "end what has many open"),
  24: unusable("too many files are open", "raise the limit: ulimit -n"),
  26: unusable("it is a program that is running", "end it first"),
  27: unusable("it would be larger than a file may be", "raise the limit: ulimit -f"),
  28: unusable("no space is left on its disk", "make room: df FOLDER"),
  30: denied("its file system is read-only", "name a file elsewhere"),
  31: unusable("it would have too many links", "name another file"),
  32: unusable("nobody reads what is written to it", "keep its reader running"),
  36: unusable("its name is too long", "a name has up to 255 bytes"),
  39: unusable("the folder is not empty", "empty it, or name another"),
  40: unusable("its links go round in a circle", "see ls -l PATH"),
  75: unusable("it is too large", "name a smaller one"),
  116: unusable("its file system has lost it", "try again, or mount it anew"),
  122: unusable("your quota on its disk is used up", "make room: quota"),
};

/** By SQLite's primary result code. */
const DATABASE_REFUSALS: Readonly<Record<number, Refusal>> = {
  5: unusable("another process holds it", "end what uses it: fuser PATH"),
  8: denied("it is read-only", "see ls -ld PATH FOLDER"),
  10: unusable("the disk reports an error", "see dmesg and df FOLDER"),
  11: unusable("it is damaged", "restore it from a backup"),
  13: unusable("no space is left on its disk", "make room: df FOLDER"),
  14: unusable("it can't be opened", "see ls -ld PATH FOLDER"),
  26: unusable("it is no database", "move it away, or restore it from a backup"),
};

/** Deno's own names, for errors that carry no number. */
const NAMED: Readonly<Record<string, number>> = {
  NotFound: 2,
  PermissionDenied: 13,
  AlreadyExists: 17,
  NotADirectory: 20,
  IsADirectory: 21,
  Busy: 16,
  FilesystemLoop: 40,
};

const SYSTEM_FILE = denied(
  "it belongs to the system or to another process",
  "name an ordinary file, or - for stdin and stdout",
);

/** Whether a file is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof KhachapuriError ? isMissing(error.cause) : errnoOf(error) === 2;
}

/** Whether its disk is full, or what we may have of it is, here or where it says it comes from. */
export function isFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const isDisks = [28, 122].includes(errnoOf(error) ?? 0);
  return isDisks || databaseRefusal(error) === DATABASE_REFUSALS[13] || isFull(error.cause);
}

/** Whether something is there already. */
export function isTaken(error: unknown): boolean {
  return error instanceof KhachapuriError ? isTaken(error.cause) : errnoOf(error) === 17;
}

/**
 * Waits for what is done with a file.
 * @throws KhachapuriError `not_found`, `access_denied` or `file_unusable` that names it
 */
export async function named<T>(path: string, act: FileAct, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw await fileError(error, path, act);
  }
}

/**
 * Does what is done with a database at once.
 * @throws KhachapuriError as `named`
 */
export function namedDatabase<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const refusal = databaseRefusal(error);
    throw refusal ? worded(refusal, `${path} can't be used`, path, error) : error;
  }
}

/** A refusal of the file system in words; anything else as it is. */
export async function fileError(error: unknown, path: string, act: FileAct): Promise<unknown> {
  const refusal = refusalOf(error);
  if (refusal === null) return error;
  const exact = refusal === MISSING ? await missing(path, act) : refusal;
  return worded(exact, `${path} can't be ${act}`, path, error);
}

/**
 * A refusal that nobody named a file for, which Deno's own message may; null when it is none. The
 * last resort, at the edge of the process.
 */
export function unnamedFileError(error: unknown): KhachapuriError | null {
  const message = error instanceof Error ? error.message : "";
  const isSystems = error instanceof Deno.errors.NotCapable && /all access to "\//.test(message);
  const refusal = isSystems ? SYSTEM_FILE : databaseRefusal(error) ?? REFUSALS[errnoOf(error) ?? 0];
  if (!refusal) return null;
  const [, path] = /['"](\/[^'"]*)['"]/.exec(message) ?? [];
  // Sockets have some of these refusals, too.
  if (path === undefined && refusal.code !== "file_unusable") return null;
  return worded(refusal, `${path ?? "a file"} can't be used`, path ?? "", error);
}

function worded(refusal: Refusal, what: string, path: string, cause: unknown): KhachapuriError {
  const fill = (text: string) => text.replace("PATH", path).replace("FOLDER", dirname(path));
  return new KhachapuriError(refusal.code, `${what}: ${refusal.why}`, {
    cause,
    hints: [fill(refusal.hint)],
  });
}

function refusalOf(error: unknown): Refusal | null {
  if (error instanceof Deno.errors.NotCapable) return SYSTEM_FILE;
  const errno = errnoOf(error);
  if (errno === undefined) return null;
  return REFUSALS[errno] ?? unusable((error as Error).message, "name another file");
}

function databaseRefusal(error: unknown): Refusal | null {
  if ((error as { code?: unknown } | null)?.code !== "ERR_SQLITE_ERROR") return null;
  const { errcode, message } = error as { errcode?: number; message: string };
  // What opening a file meets comes in SQLite's words, without its code.
  const opening = /not a database/.test(message) ? 26 : /unable to open/.test(message) ? 14 : 0;
  return DATABASE_REFUSALS[(errcode ?? opening) & 255] ?? null;
}

function errnoOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || error instanceof KhachapuriError) return undefined;
  const [, number] = /\(os error ([0-9]+)\)/.exec(error.message) ?? [];
  return number === undefined ? NAMED[error.name] : Number(number);
}

/** What it is that does not exist. */
async function missing(path: string, act: FileAct): Promise<Refusal> {
  const isThere = (of: string) => Deno.lstat(of).then(() => true, () => false);
  if (await isThere(path)) return DANGLING;
  const isMade = act === "written" || act === "made" || act === "locked";
  return isMade && !await isThere(dirname(path)) ? NO_FOLDER : MISSING;
}

/** @throws KhachapuriError as `named` */
export async function readBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (standardStream(path) === 0) {
    return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  }
  return await named(path, "read", Deno.readFile(path));
}

/** @throws KhachapuriError as `named` */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

/**
 * Makes a file that is not there yet; a standard stream is written to.
 * @throws KhachapuriError as `named`
 */
export async function writeNewFile(
  path: string,
  text: string,
  options: { mode?: number } = {},
): Promise<void> {
  const stream = standardStream(path);
  if (stream === 1 || stream === 2) return writeAll(stream, new TextEncoder().encode(text));
  await named(path, "written", Deno.writeTextFile(path, text, { ...options, createNew: true }));
}

/** Makes a folder and those that it is in. @throws KhachapuriError as `named` */
export async function makeFolders(path: string, mode?: number): Promise<void> {
  const options = { recursive: true, ...(mode === undefined ? {} : { mode }) };
  await named(path, "made", Deno.mkdir(path, options));
}

/** Resolves when the names in a folder are on the disk. @throws Error as Deno.open */
export async function syncFolder(path: string): Promise<void> {
  using folder = await Deno.open(path);
  await folder.sync();
}

/** Where bytes go one after another. */
export interface FileSink extends AsyncDisposable {
  write(bytes: Uint8Array): Promise<void>;
  /** Undoes what opening it did, when nothing is to be written after all. */
  discard(): Promise<void>;
}

/**
 * Opens a file to write, so that one that can't be written is known before there is anything to
 * write; what it holds goes when the first byte comes or it is disposed of.
 * @throws KhachapuriError as `named`
 */
export async function openSink(path: string): Promise<FileSink> {
  const stream = standardStream(path);
  if (stream === 1 || stream === 2) {
    return {
      write: (bytes) => Promise.resolve(writeAll(stream, bytes)),
      discard: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const isNew = await Deno.stat(path).then(() => false, isMissing);
  const file = await named(path, "written", Deno.open(path, { write: true, create: true }));
  const { isFile } = await file.stat();
  let isOpen = true;
  let isBegun = false;
  const begin = async () => {
    if (!isBegun && isFile) await file.truncate(0);
    isBegun = true;
  };
  const put = async (bytes: Uint8Array) => {
    await begin();
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
  };
  return {
    write: (bytes) => named(path, "written", put(bytes)),
    async discard() {
      if (isOpen) file.close();
      isOpen = false;
      if (isNew && isFile) await Deno.remove(path).catch(() => {});
    },
    async [Symbol.asyncDispose]() {
      if (!isOpen) return;
      isOpen = false;
      try {
        await named(path, "written", begin());
      } finally {
        file.close();
      }
    },
  };
}

/**
 * The descriptor that a path stands for; null for other files. Deno lets nobody open these by path
 * without every permission there is.
 */
export function standardStream(path: string): 0 | 1 | 2 | null {
  const [, name, digit] = /^\/dev\/(?:std(in|out|err)|fd\/([012]))$/.exec(
    path.replace(/^\/proc\/self\/fd\//, "/dev/fd/"),
  ) ??
    [];
  if (digit !== undefined) return Number(digit) as 0 | 1 | 2;
  return name === undefined ? null : ({ in: 0, out: 1, err: 2 } as const)[name as "in"];
}

function writeAll(stream: 1 | 2, bytes: Uint8Array): void {
  const sink = stream === 1 ? Deno.stdout : Deno.stderr;
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(sink.writeSync(rest));
}

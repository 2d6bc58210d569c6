/** `upgrade`: another release in this one's place, and back again. */
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { readBytes, readText } from "../files.ts";
import { architecture, trustedKey } from "../release/build.ts";
import { type Candidate, judgeCandidate, readCandidate, versionIn } from "../release/candidate.ts";
import {
  exchangeFiles,
  installFile,
  previousOf,
  type Replacement,
} from "../release/installed_file.ts";
import { askControl } from "../provider/control/control_client.ts";
import { checkedProgramFile, programFile } from "../provider/succession/program_file.ts";
import { usageError } from "./arguments.ts";
import { type CommandContext, defineCommand } from "./command.ts";
import { askReload, bookIn } from "./reload.ts";

export const upgrade = defineCommand({
  usage: "(FILE | --rollback) [flags]",
  details: [
    "Installs FILE, a package of Khachapuri, in the place of the program's file, and has the " +
    "provider that runs start anew from it without dropping a call. FILE.minisig has to hold " +
    "beside it, by the key that this program trusts or by --key. The file before stays beside it " +
    "as NAME.previous.",
    "Where the new one does not come to serve, the file before is put back, the provider goes on " +
    "as it was, and the reason is told. --rollback goes back later, in the same way: a release " +
    "that cannot read the state of a newer one says so, and nothing changes.",
    "Run it as the owner of the program's file, in general root, with the provider's --home.",
  ],
  examples: [
    "upgrade khachapuri-0.2.0-linux-x86_64 --home /var/lib/khachapuri",
    "upgrade --rollback --home /var/lib/khachapuri",
  ],
  options: {
    rollback: { type: "boolean", description: "exchange the file with the one before" },
    "dry-run": { type: "boolean", description: "check everything, change nothing" },
    "allow-older": { type: "boolean", description: "take an older release than what is there" },
    force: { type: "boolean", description: "install the release that is there once more" },
    key: {
      type: "string",
      value: "KEY",
      description: "trust this public key of minisign: its line, or its file",
    },
    target: {
      type: "string",
      value: "FILE",
      description: "the program's file (default: that of the provider that runs, or our own)",
    },
  },
  positionals: { min: 0, max: 1 },
  async run(context, { options, positionals: [file] }) {
    if ((file === undefined) !== options.rollback) {
      throw usageError("upgrade", "name one FILE, or give --rollback");
    }
    const place = await findPlace(context, options.target);
    const was = await versionOf(place.target);
    const candidate = file === undefined
      ? null
      : await readCandidate(file, await keyText(options.key));
    if (candidate) {
      judgeCandidate(candidate, {
        version: was ?? place.version,
        architecture: architecture(),
        allowsOlder: options["allow-older"],
        isForced: options.force,
      });
    }
    const is = candidate?.version ?? await versionOf(previousOf(place.target));
    const plan = { target: place.target, was, is };
    if (options["dry-run"]) {
      const what = `would install ${is ?? "the file before"} at ${place.target}`;
      return context.out.result({ ...plan, isDryRun: true }, [`${what}, in the place of ${was}`]);
    }
    const isServing = await replace(context, place, candidate);
    context.out.result({ ...plan, previous: previousOf(place.target), isServing }, [
      `installed ${is ?? "the file before"} at ${place.target}; before: ${was ?? "not known"}`,
      isServing ? "it serves" : "no provider runs with this home: nothing was started",
    ]);
  },
});

interface Place {
  /** The program's file, without links. */
  readonly target: string;
  /** What runs; null where nothing does. */
  readonly version: string | null;
  /** The folder of the provider's books; null where none is set up in this home. */
  readonly book: string | null;
}

/** Where the program is that is to be replaced, and who runs it. */
async function findPlace(context: CommandContext, named: string | undefined): Promise<Place> {
  const config = await context.config();
  const book = config.provider ? await bookIn(context.home) : null;
  const running = book === null ? null : await runningProgram(book);
  const file = named ?? running?.file ?? programFile(context.world);
  if (running && running.file === null) {
    throw new KhachapuriError("file_unusable", "the provider runs from source", {
      hints: ["update the sources, end it and start it again"],
    });
  }
  if (!file) {
    throw new KhachapuriError("file_unusable", "this is no package: it runs from source", {
      hints: ["--target says which file to replace, e.g. /usr/local/bin/khachapuri"],
    });
  }
  const target = await checkedProgramFile(file);
  if (named === undefined && file === running?.file) await assertPackage(target);
  return { target, version: running?.version ?? null, book };
}

/**
 * Which file runs is the provider's word, and whoever replaces it may be root, who may write all
 * that a program that has taken the provider over may not.
 */
async function assertPackage(path: string): Promise<void> {
  if (await versionOf(path) !== null) return;
  const message = `the provider says that it runs from ${path}, which is no package of ours`;
  throw new KhachapuriError("access_denied", message, {
    hints: ["--target says which file to replace, e.g. /usr/local/bin/khachapuri"],
  });
}

/** What the provider runs from; null when none does. */
async function runningProgram(book: string) {
  const answer = await askControl(book, "program").catch((error) => {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw new KhachapuriError("access_denied", "the provider's books belong to another user", {
      hints: ["run it as root"],
      cause: error,
    });
  });
  if (answer === null) return null;
  const { version, file } = Object(answer.done) as { version?: unknown; file?: unknown };
  return { version: String(version), file: typeof file === "string" ? file : null };
}

async function versionOf(path: string): Promise<string | null> {
  return versionIn(await readBytes(path).catch(() => new Uint8Array()));
}

/** @throws KhachapuriError `access_denied` where no key is trusted */
async function keyText(given: string | undefined): Promise<string> {
  const key = given === undefined ? trustedKey() : given;
  if (key === null) {
    throw new KhachapuriError("access_denied", "this program trusts nobody's releases", {
      hints: ["it was built without a key: give the project's with --key"],
    });
  }
  if (/^RW[A-Za-z0-9+/=]*$/.test(key) && key.length !== 56 && await isMissing(key)) {
    throw new KhachapuriError("invalid_input", `--key is no public key of minisign: ${key}`, {
      hints: ["it is a line of 56 characters that begins with RW, or the name of its file"],
    });
  }
  return given === undefined || /^RW[A-Za-z0-9+/=]{54}$/.test(key) ? key : await readText(key);
}

async function isMissing(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => false, (error) => error instanceof Deno.errors.NotFound);
}

/**
 * Puts the file in its place, and has the provider that runs follow.
 * @returns whether one does
 */
async function replace(
  { world, out }: CommandContext,
  { target, book }: Place,
  candidate: Candidate | null,
): Promise<boolean> {
  // From here on Ctrl-C would leave it half done.
  world.stopSignal();
  await using replacement = candidate
    ? await installFile(target, candidate.bytes)
    : await exchangeFiles(target);
  try {
    const done = book === null ? null : await askReload(book, true, (line) => out.note(line));
    await replacement.settle();
    return done !== null;
  } catch (error) {
    throw await putBack(replacement, target, error);
  }
}

async function putBack(replacement: Replacement, target: string, thrown: unknown) {
  await replacement.undo();
  const error = asKhachapuriError(thrown);
  return error.toldWith({
    message: `the new file does not serve: ${error.shortMessage}`,
    hints: [`${target} is what it was before, and the provider goes on`, ...error.hints],
  });
}

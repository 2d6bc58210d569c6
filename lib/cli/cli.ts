/** The command line as a function of the world around it: argv in, exit code out. */
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { unnamedFileError } from "../files.ts";
import { asksJson, optionsOf, parseArguments } from "./arguments.ts";
import type { Command, CommandEntry } from "./command.ts";
import { architecture, builtFrom, trustedKey } from "../release/build.ts";
import { createContext } from "./context.ts";
import { commandText, overviewText } from "./help.ts";
import { createOutput, type Output } from "./output.ts";
import { suggestionHints } from "./suggest.ts";
import { COMMANDS } from "./table.ts";
import { VERSION } from "../version.ts";
import type { World } from "./world.ts";

/** What stands in a command's place and is none. */
const HELP_WORDS: readonly string[] = ["help", "--help", "-h"];
const VERSION_WORDS: readonly string[] = ["version", "--version", "-V"];

/**
 * Runs one command line.
 * @returns the exit code: 0, or the code of the error's kind (lib/errors.ts)
 */
export async function runCli(
  world: World,
  table: readonly CommandEntry[] = COMMANDS,
): Promise<number> {
  let out = createOutput(world, world.args.includes("--json"));
  try {
    const [name, ...rest] = world.args;
    if (name === undefined) {
      createOutput(world, false).line(overviewText(table).trimEnd());
      return 2;
    }
    if (VERSION_WORDS.includes(name)) return printVersion(out);
    if (HELP_WORDS.includes(name)) return await printHelp(out, table, rest);
    const entry = findEntry(table, name);
    const command = await entry.load();
    out = createOutput(world, asksJson(command, rest));
    const { common, isHelp, args } = parseArguments(name, command, rest);
    if (isHelp) return printCommandHelp(out, entry, command);
    return await command.run(createContext(world, common, out, table), args) ?? 0;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.BrokenPipe) return 0;
    const error = unnamedFileError(thrown) ?? asKhachapuriError(thrown);
    out.failure(error);
    if (error.code === "internal" && world.env("KHACHAPURI_TRACE")) out.note(traceOf(error));
    return error.exitCode;
  }
}

function findEntry(table: readonly CommandEntry[], name: string): CommandEntry {
  const entry = table.find((candidate) => candidate.name === name);
  if (entry) return entry;
  const what = name.startsWith("-") ? "the command comes first, not" : "unknown command";
  throw new KhachapuriError("usage", `${what} ${name}`, {
    hints: suggestionHints(name, table.map((known) => known.name), "see khachapuri help"),
  });
}

async function printHelp(
  out: Output,
  table: readonly CommandEntry[],
  rest: readonly string[],
): Promise<number> {
  const name = rest.find((word) => word !== "--json");
  if (name !== undefined) {
    const entry = findEntry(table, name);
    return printCommandHelp(out, entry, await entry.load());
  }
  const commands = table.map(({ name, group, summary }) => ({ name, group, summary }));
  out.result({ commands }, [overviewText(table).trimEnd()]);
  return 0;
}

function printCommandHelp(out: Output, entry: CommandEntry, command: Command): number {
  const { name, group, summary } = entry;
  const { usage, details = [], examples } = command;
  const options = optionsOf(command);
  out.result({ name, group, summary, usage, details, options, examples }, [
    commandText(entry, command).trimEnd(),
  ]);
  return 0;
}

function printVersion(out: Output): number {
  const built = {
    architecture: architecture(),
    commit: builtFrom(),
    deno: Deno.version.deno,
    trustedKey: trustedKey(),
  };
  out.result({ version: VERSION, ...built }, [`khachapuri ${VERSION}`]);
  return 0;
}

function traceOf(error: KhachapuriError): string {
  const cause = error.cause;
  return (cause instanceof Error ? cause.stack : undefined) ?? error.stack ?? "";
}

/** The command line as a function of the world around it: argv in, exit code out. */
import { asKhachapuriError, KhachapuriError } from "../errors.ts";
import { unnamedFileError } from "../files.ts";
import { parseArguments } from "./arguments.ts";
import type { Command } from "./command.ts";
import { createContext } from "./context.ts";
import { commandText, overviewText } from "./help.ts";
import { createOutput, type Output } from "./output.ts";
import { suggestionHints } from "./suggest.ts";
import { type CommandEntry, COMMANDS } from "./table.ts";
import { VERSION } from "./version.ts";
import type { World } from "./world.ts";

/**
 * Runs one command line.
 * @returns the exit code: 0, or the code of the error's kind (lib/errors.ts)
 */
export async function runCli(
  world: World,
  table: readonly CommandEntry[] = COMMANDS,
): Promise<number> {
  const asksJson = world.args.includes("--json");
  let out = createOutput(world, false);
  try {
    const [name, ...rest] = world.args;
    if (name === undefined || name === "--help" || name === "-h") {
      out.line(overviewText(table).trimEnd());
      return name === undefined ? 2 : 0;
    }
    if (name === "--version" || name === "version") {
      return printVersion(createOutput(world, asksJson));
    }
    if (name === "help") return await printHelp(out, table, rest);
    const entry = findEntry(table, name);
    const command = await entry.load();
    if (!command.rawArgs) out = createOutput(world, asksJson);
    return await runCommand(world, out, entry, command, rest);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.BrokenPipe) return 0;
    const error = unnamedFileError(thrown) ?? asKhachapuriError(thrown);
    out.failure(error);
    if (error.code === "internal" && world.env("KHACHAPURI_TRACE")) out.note(traceOf(error));
    return error.exitCode;
  }
}

async function runCommand(
  world: World,
  out: Output,
  entry: CommandEntry,
  command: Command,
  argv: readonly string[],
): Promise<number> {
  const { common, isHelp, args } = parseArguments(entry.name, command, argv);
  if (isHelp) {
    createOutput(world, false).line(commandText(entry, command).trimEnd());
    return 0;
  }
  await command.run(createContext(world, common, out), args);
  return 0;
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
  const [name] = rest;
  if (name === undefined) {
    out.line(overviewText(table).trimEnd());
    return 0;
  }
  const entry = findEntry(table, name);
  out.line(commandText(entry, await entry.load()).trimEnd());
  return 0;
}

function printVersion(out: Output): number {
  out.result({ version: VERSION }, [`khachapuri ${VERSION}`]);
  return 0;
}

function traceOf(error: KhachapuriError): string {
  const cause = error.cause;
  return (cause instanceof Error ? cause.stack : undefined) ?? error.stack ?? "";
}

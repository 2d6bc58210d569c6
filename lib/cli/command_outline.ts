/** The command table flattened, for what is written from it: completions and the manual page. */
import { optionsOf } from "./arguments.ts";
import type { Command, CommandEntry } from "./command.ts";

/** A command with everything that its help says. */
export interface CommandOutline {
  readonly entry: CommandEntry;
  readonly command: Command;
  readonly flags: readonly Flag[];
  /** Whether a file or a folder may be an argument of it. */
  readonly takesFiles: boolean;
}

export interface Flag {
  readonly long: string;
  /** A letter. */
  readonly short: string | null;
  /** How its value is shown; null for a flag without one. */
  readonly value: string | null;
  /** What its value may be; empty where it is not one of a few words. */
  readonly choices: readonly string[];
  readonly isFile: boolean;
  readonly description: string;
  /** Whether only this command takes it. */
  readonly isOwn: boolean;
}

const FILE_WORD = /\b(FILE|DIR|PATH)\b/;

/** Loads every command. */
export function outlineOf(table: readonly CommandEntry[]): Promise<readonly CommandOutline[]> {
  return Promise.all(table.map(async (entry) => {
    const command = await entry.load();
    // Flags are listed of themselves; what is in brackets of the usage may be a flag's value.
    const positionals = command.usage.replace(/\[[^\]]*--[^\]]*\]|--\S+ \S+/g, "");
    return { entry, command, flags: flagsOf(command), takesFiles: FILE_WORD.test(positionals) };
  }));
}

function flagsOf(command: Command): Flag[] {
  return Object.entries(optionsOf(command)).map(([long, option]) => ({
    long,
    short: option.short ?? null,
    value: option.type === "string" ? option.value : null,
    choices: option.type === "string" ? option.choices ?? [] : [],
    isFile: option.type === "string" && FILE_WORD.test(option.value),
    description: option.description,
    isOwn: Object.hasOwn(command.options, long),
  }));
}

/** The text of `help` and `--help`. */
import { COMMON_OPTIONS, optionsOf } from "./arguments.ts";
import type { Command, CommandEntry, OptionTable } from "./command.ts";

/** The overview: every command by who needs it. */
export function overviewText(table: readonly CommandEntry[]): string {
  const width = Math.max(...table.map((entry) => entry.name.length));
  const groups = Map.groupBy(table, (entry) => entry.group);
  const sections = [...groups].map(([group, entries]) =>
    `${group}\n${entries.map((e) => `  ${e.name.padEnd(width)}  ${e.summary}`).join("\n")}\n`
  );
  return [
    "khachapuri: compute over IPFS, paid in USDC\n",
    "usage: khachapuri COMMAND [flags]   khachapuri COMMAND --help   khachapuri --version\n",
    ...sections,
    `flags of every command\n${flagLines(COMMON_OPTIONS)}`,
  ].join("\n");
}

/** One command's help: usage, prose, flags, examples. */
export function commandText(entry: CommandEntry, command: Command): string {
  const parts = [`usage: khachapuri ${entry.name} ${command.usage}`.trimEnd() + "\n"];
  parts.push(`${entry.summary}\n`);
  for (const paragraph of command.details ?? []) parts.push(`${wrap(paragraph, 80)}\n`);
  if (command.rawArgs) {
    parts.push(
      "Flags of ours come first, what follows them is curl's; but --json without data is ours.\n",
    );
  }
  if (Object.keys(command.options).length > 0) parts.push(`flags\n${flagLines(command.options)}`);
  const common = Object.fromEntries(
    Object.entries(optionsOf(command)).filter(([key]) => !(key in command.options)),
  );
  parts.push(`flags of every command\n${flagLines(common)}`);
  const examples = command.examples.map((example) => `  khachapuri ${example}\n`).join("");
  parts.push(`examples\n${examples}`);
  return parts.join("\n");
}

function flagLines(table: OptionTable): string {
  const rows = Object.entries(table).map(([key, option]) => {
    const short = option.short ? `-${option.short}, ` : "";
    const value = option.type === "string" ? ` ${option.value}` : "";
    const required = option.type === "string" && option.required ? " (required)" : "";
    return { flag: `${short}--${key}${value}`, text: option.description + required };
  });
  const width = Math.max(...rows.map((row) => row.flag.length));
  return rows.map((row) => `  ${row.flag.padEnd(width)}  ${row.text}\n`).join("");
}

/** Breaks a paragraph at spaces. */
export function wrap(text: string, columns: number): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (last !== "" && last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}

/** The completion script for fish. */
import type { CommandOutline, Flag } from "./command_outline.ts";

/** @returns the script, to be sourced or found by its name */
export function fishCompletion(outline: readonly CommandOutline[]): string {
  const words: [string, string][] = [
    ...outline.map(({ entry }): [string, string] => [entry.name, entry.summary]),
    ["help", "what the commands are, or how one is used"],
    ["version", "which release this is"],
  ];
  const names = outline.map(({ entry }) => entry.name).join(" ");
  return [
    "# fish completion for khachapuri",
    "complete -c khachapuri -f",
    ...words.map(([name, summary]) =>
      `complete -c khachapuri -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`
    ),
    `complete -c khachapuri -n ${behind("help")} -a ${quoted(names)}`,
    ...outline.flatMap(linesOf),
    "",
  ].join("\n");
}

function linesOf({ entry, command, flags, takesFiles }: CommandOutline): string[] {
  const line = `complete -c khachapuri -n ${behind(entry.name)}`;
  return [
    ...(command.choices ? [`${line} -a ${quoted(command.choices.join(" "))}`] : []),
    ...(takesFiles ? [`${line} -F`] : []),
    ...flags.map((flag) => `${line} ${flagText(flag)}`),
  ];
}

function flagText({ long, short, value, choices, isFile, description }: Flag): string {
  const spelled = `-l ${long}${short ? ` -s ${short}` : ""}`;
  const taken = value === null ? "" : isFile ? " -r -F" : " -x";
  const words = choices.length === 0 ? "" : ` -a ${quoted(choices.join(" "))}`;
  return `${spelled}${taken}${words} -d ${quoted(description)}`;
}

function behind(name: string): string {
  return `'__fish_seen_subcommand_from ${name}'`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, (char) => `\\${char}`)}'`;
}

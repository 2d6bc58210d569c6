/** `completions`: the command table as a completion script of a shell. */
import { bashCompletion } from "./completion_bash.ts";
import { fishCompletion } from "./completion_fish.ts";
import { zshCompletion } from "./completion_zsh.ts";
import { usageError } from "./arguments.ts";
import { type CommandOutline, outlineOf } from "./command_outline.ts";
import { defineCommand } from "./command.ts";

const SHELLS: Readonly<Record<string, (outline: readonly CommandOutline[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export const completions = defineCommand({
  usage: "bash|zsh|fish",
  details: [
    "Prints a script that lets your shell complete commands, their flags and file names. For " +
    "bash and zsh a line of your shell's start-up file reads it; fish finds it by its name.",
  ],
  examples: [
    "completions bash > ~/.local/share/bash-completion/completions/khachapuri",
    'completions zsh > "${fpath[1]}/_khachapuri"',
    "completions fish > ~/.config/fish/completions/khachapuri.fish",
  ],
  options: {},
  choices: ["bash", "zsh", "fish"],
  positionals: { min: 1, max: 1 },
  async run({ out, commands }, { positionals: [shell = ""] }) {
    const write = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
    if (!write) throw usageError("completions", `for bash, zsh or fish, not ${shell}`);
    const script = write(await outlineOf(commands));
    out.result({ shell, script }, [script.trimEnd()]);
  },
});

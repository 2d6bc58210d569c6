/** The completion script for zsh, as a function of `fpath` or to be sourced after `compinit`. */
import type { CommandOutline, Flag } from "./command_outline.ts";

/** @returns the script */
export function zshCompletion(outline: readonly CommandOutline[]): string {
  const described = outline.map(({ entry }) => quoted(`${entry.name}:${entry.summary}`));
  return `#compdef khachapuri
_khachapuri() {
  local -a commands
  commands=(
${described.map((text) => `    ${text}`).join("\n")}
    'help:what the commands are, or how one is used'
    'version:which release this is'
  )
  if ((CURRENT == 2)); then
    _describe -t commands command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
    help) _describe -t commands command commands ;;
${outline.map(caseOf).join("\n")}
  esac
}
if [[ $funcstack[1] == _khachapuri ]]; then
  _khachapuri "$@"
else
  compdef _khachapuri khachapuri
fi
`;
}

function caseOf({ entry, command, flags, takesFiles }: CommandOutline): string {
  const { choices } = command;
  const specs = [
    ...flags.flatMap(flagSpecs),
    ...(choices ? [`1:word:(${choices.join(" ")})`] : []),
    takesFiles ? "*:file:_files" : "*:argument: ",
  ];
  return [
    `    ${entry.name})`,
    "      _arguments \\",
    specs.map((spec) => `        ${quoted(spec)}`).join(" \\\n"),
    "      ;;",
  ].join("\n");
}

/** `--flag=[description]:VALUE:_files`; a flag may be given again where the command takes it. */
function flagSpecs({ long, short, value, choices, isFile, description }: Flag): string[] {
  const about = `[${escaped(description)}]`;
  const words = choices.length === 0 ? " " : `(${choices.join(" ")})`;
  const taken = value === null ? "" : `:${escaped(value)}:${isFile ? "_files" : words}`;
  return [
    `*--${long}${value === null ? "" : "="}${about}${taken}`,
    ...(short ? [`*-${short}${about}${taken}`] : []),
  ];
}

function escaped(text: string): string {
  return text.replace(/[\\[\]:]/g, (char) => `\\${char}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The completion script for bash 4 and later; needs nothing but bash. */
import type { CommandOutline } from "./command_outline.ts";

/** @returns the script, to be sourced */
export function bashCompletion(outline: readonly CommandOutline[]): string {
  const names = outline.map(({ entry }) => entry.name);
  return `# bash completion for khachapuri
_khachapuri() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local words= flags= valued= filed= files= choices=
  COMPREPLY=()
  # bash takes the = of --flag=value for a word.
  if [[ $previous == "=" ]]; then previous=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ $current == "=" ]]; then current=; fi
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${names.join(" ")} help version --help --version" -- "$current"))
    return
  fi
  case \${COMP_WORDS[1]} in
    help) words="${names.join(" ")}" ;;
${outline.map(caseOf).join("\n")}
  esac
  if [[ $valued == *" $previous "* ]]; then
    if [[ $filed == *" $previous "* ]]; then
      files=yes
    else
      COMPREPLY=($(compgen -W "$choices" -- "$current"))
      return
    fi
  elif [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
    return
  elif ((COMP_CWORD == 2)); then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
  fi
  if [[ $files ]]; then
    compopt -o filenames 2>/dev/null
    local file
    while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$current")
  fi
}
complete -F _khachapuri khachapuri
`;
}

function caseOf({ entry, command, flags, takesFiles }: CommandOutline): string {
  const spellings = (chosen: typeof flags) =>
    chosen.flatMap(({ long, short }) => [`--${long}`, ...(short ? [`-${short}`] : [])]).join(" ");
  const facts = [
    `words="${(command.choices ?? []).join(" ")}"`,
    `flags="${spellings(flags)}"`,
    `valued=" ${spellings(flags.filter(({ value }) => value !== null))} "`,
    `filed=" ${spellings(flags.filter(({ isFile }) => isFile))} "`,
    ...(takesFiles ? ["files=yes"] : []),
    ...choicesOf(flags),
  ];
  return `    ${entry.name})\n${facts.map((fact) => `      ${fact}`).join("\n")}\n      ;;`;
}

/** Words for the value that is being typed. */
function choicesOf(flags: CommandOutline["flags"]): string[] {
  const cases = flags.filter(({ choices }) => choices.length > 0)
    .map(({ long, choices }) => `--${long}) choices="${choices.join(" ")}" ;;`);
  return cases.length === 0 ? [] : [`case $previous in ${cases.join(" ")} esac`];
}

/**
 * The commands in a document, as its reader pastes them: every ```sh block, with what the comment
 * above it says. `<!-- as: PERSON -->` says who pastes it, `<!-- not run: REASON -->` why no test
 * does.
 */

export interface Block {
  /** Where it begins, as `README.md:12`. */
  readonly place: string;
  readonly text: string;
  /** Who pastes it; null for what is not run. */
  readonly person: string | null;
}

/** A comment, if there is one, and the block below it. */
const BLOCK = /(?:^<!-- (as|not run): ([^>]+) -->\n\n)?^```([^\n`]*)\n([\s\S]*?)^```$/gm;
/** These read the terminal, and would take what is pasted behind them, or never end. */
const LAST =
  /^(?:editor|khachapuri (?:deploy|serve)) (?:\\\n|.)*?[^\\]\n(?=.)|^khachapuri serve\n(?=.)/m;
/** What a reader would take for commands, too. */
const SHELLS: ReadonlySet<string> = new Set(["bash", "shell", "console", "zsh"]);

/**
 * The blocks of a document in order.
 * @param path of the document, for messages
 * @throws Error for one that is neither run nor said to be not run
 */
export function readBlocks(path: string, markdown: string): Block[] {
  return [...markdown.matchAll(BLOCK)].flatMap((match) => {
    const [, mark, said, language = "", text = ""] = match;
    const place = `${path}:${markdown.slice(0, match.index).split("\n").length}`;
    if (SHELLS.has(language)) throw new Error(`${place}: its commands go into a block of sh`);
    if (language !== "sh") return [];
    if (LAST.test(text)) throw new Error(`${place}: what reads the terminal is a block's last`);
    if (mark === undefined) throw new Error(`${place}: nobody runs it: say who, or why not`);
    return [{ place, text, person: mark === "as" ? said! : null }];
  });
}

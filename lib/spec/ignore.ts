/** Which files of a folder stay out of its program: `.khachapuriignore`, written as .gitignore. */
import { withoutMark } from "../files.ts";

/** Beside the program's files; not packed itself. */
export const IGNORE_FILE = ".khachapuriignore";

/** Whether a path (with forward slashes) stays out, and with a folder all that is in it. */
export type Ignore = (path: string, isFolder: boolean) => boolean;

interface Rule {
  pattern: RegExp;
  isFolderOnly: boolean;
  isBack: boolean;
}

/** Reads the patterns of one file as gitignore(5) describes them: the last that fits decides. */
export function parseIgnore(text: string): Ignore {
  const rules = withoutMark(text).split("\n").map(parseRule).filter((rule) => rule !== null);
  return (path, isFolder) => {
    const rule = rules.findLast(({ pattern, isFolderOnly }) =>
      (isFolder || !isFolderOnly) && pattern.test(path)
    );
    return rule !== undefined && !rule.isBack;
  };
}

function parseRule(line: string): Rule | null {
  let text = line.replace(/\r$/, "").replace(/(?<!\\) +$/, "");
  if (text === "" || text.startsWith("#")) return null;
  const isBack = text.startsWith("!");
  if (isBack) text = text.slice(1);
  const isFolderOnly = text.endsWith("/");
  if (isFolderOnly) text = text.slice(0, -1);
  const isAnchored = text.includes("/");
  if (text.startsWith("/")) text = text.slice(1);
  const start = isAnchored ? "^" : "^(?:.*/)?";
  try {
    return { pattern: new RegExp(`${start}${expression(text)}$`, "su"), isFolderOnly, isBack };
  } catch {
    return null; // A class without its end, or one that runs backwards, fits nothing.
  }
}

const TOKEN = /^\*\*\/|\/\*\*\/|\/\*\*$|\*+|\?|\[[!^]?\]?[^\]]*\]|\\?./gsu;

function expression(glob: string): string {
  return glob.replaceAll(TOKEN, (token) => {
    if (token === "**/") return "(?:.*/)?";
    if (token === "/**/") return "/(?:.*/)?";
    if (token === "/**") return "/.*";
    if (token.startsWith("*")) return "[^/]*";
    if (token === "?") return "[^/]";
    if (token.length > 1 && token.startsWith("[")) return classOf(token);
    const character = token.length > 1 && token.startsWith("\\") ? token.slice(1) : token;
    return character.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
  });
}

function classOf(token: string): string {
  const isNot = /^\[[!^]/.test(token);
  const inside = token.slice(isNot ? 2 : 1, -1).replaceAll(/[\\[\]^]/gu, "\\$&");
  return isNot ? `(?!/)[^${inside}]` : `(?!/)[${inside}]`;
}

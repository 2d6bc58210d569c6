/**
 * Which files of a folder stay out of its program: what nobody wants published (left_out.ts), and
 * what `.khachapuriignore` names, written as .gitignore (gitignore(5)). As with git, each folder
 * may have one of its own, for what is in it.
 */
import ignore, { type Ignore } from "ignore";
import { withoutMark } from "../files.ts";
import { LEFT_OUT, namesLeftOut } from "./left_out.ts";

/** Beside the files that it is about; not packed itself. */
export const IGNORE_FILE = ".khachapuriignore";

/** git tells `A` from `a` where the file system does, as it does where programs run. */
const OPTIONS = { ignorecase: false };

/** The rules for one folder and what is in it; they never change. */
export class Ignores {
  /** Those of a folder that says nothing. */
  static readonly usual = new Ignores(ignore(OPTIONS), ignore(OPTIONS).add(LEFT_OUT));

  /**
   * @param said what the folders say
   * @param usual what is left out without being said, and what they say of that by its name
   */
  private constructor(private readonly said: Ignore, private readonly usual: Ignore) {}

  /**
   * With the rules of a folder's own, which come before those of the folders above.
   * @param folder relative to the program's; "" for that itself
   */
  with(folder: string, text: string): Ignores {
    const rules = withoutMark(text).split(/\r?\n/).map(readRule).filter((rule) => rule !== null);
    const rooted = (rule: Rule) => patternOf(rule, folder);
    return new Ignores(
      ignore(OPTIONS).add(this.said).add(rules.map(rooted)),
      ignore(OPTIONS).add(this.usual).add(
        rules.filter(({ body }) => namesLeftOut(body)).map(rooted),
      ),
    );
  }

  /** Whether a path (with forward slashes) stays out, and with a folder all that is in it. */
  isOut(path: string, isFolder: boolean): boolean {
    return this.said.ignores(asked(path, isFolder)) || this.isLeftOut(path, isFolder);
  }

  /** Whether it stays out without any folder having said so. */
  isLeftOut(path: string, isFolder: boolean): boolean {
    const name = asked(path, isFolder);
    return this.usual.ignores(name) && !this.said.ignores(name);
  }
}

function asked(path: string, isFolder: boolean): string {
  return isFolder ? `${path}/` : path;
}

interface Rule {
  /** Takes back what an earlier one says. */
  isBack: boolean;
  body: string;
}

/** Null for a comment, and for a line that says nothing. */
function readRule(line: string): Rule | null {
  if (line.startsWith("#")) return null;
  const isBack = line.startsWith("!");
  const body = isBack ? line.slice(1) : line;
  return /^[/ ]*$/.test(body) ? null : { isBack, body };
}

/** A rule of a folder's as one of the program's. */
function patternOf({ isBack, body }: Rule, folder: string): string {
  const sign = isBack ? "!" : "";
  if (folder === "") return sign + body;
  // With a slash that is not at its end it is about one place, else about every depth.
  const isPlace = /\/(?! *$)/.test(body);
  return `${sign}/${literal(folder)}/${isPlace ? body.replace(/^\//, "") : `**/${body}`}`;
}

function literal(path: string): string {
  return path.replace(/[\\*?[\]]/g, "\\$&");
}

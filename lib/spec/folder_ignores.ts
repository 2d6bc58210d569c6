/** What stays out of a program, asked for one path after the other while its folder changes. */
import { Ignores } from "./ignore.ts";
import { withOwnRules } from "./program_listing.ts";

export class FolderIgnores {
  /** Rules by folder, as they were read when it was asked for the first time. */
  readonly #known = new Map<string, Ignores>();

  constructor(private readonly dir: string) {}

  /** Whether a file is not packed, for its own sake or a folder's that it lies in. */
  isOut(path: string): boolean {
    let rules = this.#rulesIn("", Ignores.usual);
    for (let cut = path.indexOf("/"); cut !== -1; cut = path.indexOf("/", cut + 1)) {
      const folder = path.slice(0, cut);
      if (rules.isOut(folder, true)) return true;
      rules = this.#rulesIn(folder, rules);
    }
    return rules.isOut(path, false);
  }

  #rulesIn(folder: string, above: Ignores): Ignores {
    const known = this.#known.get(folder) ?? this.#read(folder, above);
    this.#known.set(folder, known);
    return known;
  }

  /** A file that cannot be read is for whoever packs to tell. */
  #read(folder: string, above: Ignores): Ignores {
    try {
      return withOwnRules(above, this.dir, folder);
    } catch {
      return above;
    }
  }
}

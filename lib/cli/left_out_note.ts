/** A word on what of a folder is not published though its developer has not said so. */
import { basename, join } from "node:path";
import { printable } from "../client/provider_http.ts";
import { IGNORE_FILE } from "../spec/ignore.ts";
import { readListing } from "../spec/program_listing.ts";
import type { CommandContext } from "./command.ts";

/** So much is looked at for its size: a history may have a million files. */
const ENTRIES = 10_000;
const MEGABYTE = 1_000_000;

/** @param leftOut paths in `dir`; what a listing tells, where nobody has made one yet */
export async function noteLeftOut(
  { out }: Pick<CommandContext, "out">,
  dir: string,
  leftOut?: readonly string[],
): Promise<void> {
  // A folder that can't be listed is told by whoever packs it.
  const paths = leftOut ?? await readListing(dir).then((listing) => listing.leftOut, () => []);
  if (paths.length > 0) out.note(printable(leftOutText(dir, paths)));
}

function leftOutText(dir: string, paths: readonly string[]): string {
  const places = Object.entries(Object.groupBy(paths, (path) => basename(path)));
  const names = places.map(([name, those]) =>
    those!.length === 1 ? those![0]! : `${those!.length} ${name}`
  );
  const size = new Size(dir);
  paths.forEach((path) => size.add(path));
  const back = basename(paths[0]!);
  return `left out: ${names.join(", ")} (${size.text()}); ` +
    `a line !${back} in ${IGNORE_FILE} would pack ${back}`;
}

/** How much lies at some paths. */
class Size {
  #bytes = 0;
  #left = ENTRIES;

  constructor(private readonly dir: string) {}

  add(path: string): void {
    try {
      const { isDirectory, size } = Deno.lstatSync(join(this.dir, path));
      if (!isDirectory) this.#bytes += size;
      else for (const { name } of Deno.readDirSync(join(this.dir, path))) this.#step(path, name);
    } catch {
      // What nobody may read is left out all the same.
    }
  }

  #step(path: string, name: string): void {
    if (--this.#left >= 0) this.add(join(path, name));
  }

  text(): string {
    const more = this.#left < 0 ? "more than " : "";
    if (this.#bytes < MEGABYTE) return `${more}${Math.ceil(this.#bytes / 1_000)} kB`;
    return `${more}${Math.round(this.#bytes / MEGABYTE)} MB`;
  }
}

/**
 * Symbolic links inside a program. A link is taken if it is relative and never leads out of the
 * program, whatever other links it leads through; what it leads to need not be there. Whoever
 * follows one, as a provider does outside of the sandbox, then sees nothing but the program.
 */
import { PROGRAM_LINK_BYTES_MAX, PROGRAM_PATH_DEPTH_MAX } from "../limits.ts";
import { inSlices } from "../slices.ts";

export interface ProgramEntry {
  /** Relative to the program's folder, with forward slashes. */
  readonly path: string;
  /** Where a link leads, as readlink(2) gives it; null for what is no link. */
  readonly link: string | null;
}

/** As many steps as it takes from the deepest folder to another. */
const STEPS_MOST = 2 * PROGRAM_PATH_DEPTH_MAX;
/** Links that lead to one another: as many as Linux follows (MAXSYMLINKS). */
export const LINKS_FOLLOWED = 40;

// deno-lint-ignore no-control-regex -- control characters are what is being refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** A link that is not taken, and why in words that follow its name. */
export interface StrayLink {
  readonly path: string;
  readonly link: string;
  readonly why: string;
}

/** The first link that is not taken; null: none. Others have their turn meanwhile. */
export async function strayLink(entries: readonly ProgramEntry[]): Promise<StrayLink | null> {
  const root = new Place(null);
  await inSlices(entries, ({ path, link }) => root.add(path, link));
  let stray: StrayLink | null = null;
  await inSlices(entries, ({ path, link }) => {
    if (stray !== null || link === null) return;
    const why = textFault(link) ?? root.at(path).fault();
    if (why !== null) stray = { path, link, why };
  });
  return stray;
}

function textFault(link: string): string | null {
  if (new TextEncoder().encode(link).length > PROGRAM_LINK_BYTES_MAX) {
    return `is a link of more than ${PROGRAM_LINK_BYTES_MAX} bytes`;
  }
  if (link.split("/").length > STEPS_MOST) {
    return `is a link of more than ${STEPS_MOST} steps`;
  }
  if (link === "" || !link.isWellFormed() || CONTROL.test(link)) return "is a link to no sane path";
  return null;
}

const OUTSIDE = "leads out of the program";
const ENDLESS = "leads through too many links";

/** Something in the program's tree, or a path at which nothing is. */
class Place {
  readonly #inside = new Map<string, Place>();
  #link: string | null = null;
  /** What following the link came to: found out once, as many links may lead through it. */
  #end: Place | string | null = null;

  constructor(private readonly parent: Place | null) {}

  add(path: string, link: string | null): void {
    path.split("/").reduce<Place>((place, name) => place.#grow(name), this).#link = link;
  }

  #grow(name: string): Place {
    const known = this.#inside.get(name) ?? new Place(this);
    this.#inside.set(name, known);
    return known;
  }

  at(path: string): Place {
    return path.split("/").reduce<Place>((place, name) => place.#inside.get(name)!, this);
  }

  fault(): string | null {
    const end = this.#followed(0);
    return typeof end === "string" ? end : null;
  }

  #followed(depth: number): Place | string {
    if (this.#link === null) return this;
    if (this.#end !== null) return this.#end;
    // Until it is known: whoever meets it meanwhile goes round in a circle.
    this.#end = ENDLESS;
    return this.#end = depth > LINKS_FOLLOWED ? ENDLESS : this.#walk(this.#link, depth);
  }

  #walk(link: string, depth: number): Place | string {
    if (link.startsWith("/")) return OUTSIDE;
    let place = this.parent!;
    for (const name of link.split("/")) {
      if (name === "" || name === ".") continue;
      const next = name === ".." ? place.parent : place.#inside.get(name) ?? new Place(place);
      if (next === null) return OUTSIDE;
      const end = next.#followed(depth + 1);
      if (typeof end === "string") return end;
      place = end;
    }
    return place;
  }
}

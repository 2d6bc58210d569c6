/** A mutant: a source with one thing changed. */

export interface Mutant {
  /** Path of the source within the repository. */
  file: string;
  /** Where the change begins, in UTF-16 units. */
  offset: number;
  /** What is changed: a token, an expression or a statement. */
  from: string;
  /** What stands in its place; empty when it is left out. */
  to: string;
  /** From 1. */
  lineNumber: number;
  /** The lines that hold the change as they are, as one and without indentation. */
  line: string;
  /** The same as the mutant has them. */
  becomes: string;
  /** The function that holds it, with its class: "Settlement.#send". */
  within?: string;
  /** From 2: how many of its function read the same up to this one. */
  occurrence?: number;
  /** Set where it stands in the list of mutants that some test has to notice. */
  name?: string;
}

/** The mutant of `source` that has `to` instead of `from` at `offset`. */
export function mutantAt(
  file: string,
  source: string,
  offset: number,
  from: string,
  to: string,
): Mutant {
  const until = offset + from.length;
  const start = source.lastIndexOf("\n", offset - 1) + 1;
  const nextLine = source.indexOf("\n", until);
  const end = nextLine < 0 ? source.length : nextLine;
  return {
    file,
    offset,
    from,
    to,
    lineNumber: source.slice(0, offset).split("\n").length,
    line: asOneLine(source.slice(start, end)),
    becomes: asOneLine(source.slice(start, offset) + to + source.slice(until, end)),
  };
}

function asOneLine(text: string): string {
  return text.trim().replaceAll(/\n\s*/g, " ");
}

/** The source of a mutant. */
export function mutate(source: string, { offset, from, to }: Mutant): string {
  return source.slice(0, offset) + to + source.slice(offset + from.length);
}

/** What `up` and `down` do, one thing at a time, as data: to be told, and to be done. */

export type Step =
  /** One of the machine's own tools. */
  | { readonly kind: "tool"; readonly words: readonly string[] }
  /** Written whole, in the place of what is there. */
  | {
    readonly kind: "write";
    readonly path: string;
    readonly text: string;
    readonly before: string | null;
  }
  | { readonly kind: "remove"; readonly path: string }
  /** The home, which belongs to the provider's user. */
  | { readonly kind: "home"; readonly path: string; readonly mode: number }
  /** The file that runs, as the program of that path. */
  | { readonly kind: "install"; readonly path: string }
  /** Our own command line as the provider's user, who alone writes in its home. */
  | {
    readonly kind: "configure";
    readonly home: string;
    readonly words: readonly string[];
    readonly input: string;
    /** What of config.json becomes another, a line each. */
    readonly changes: readonly string[];
  }
  /** Goes no further on terms that are still the example. */
  | { readonly kind: "terms"; readonly path: string };

/** A step in a line, and for `--dry-run` with what a file will say. */
export function stepLines(step: Step, isWhole: boolean): string[] {
  switch (step.kind) {
    case "tool":
      return [`run       ${step.words.join(" ")}`];
    case "write":
      return [
        `${step.before === null ? "make  " : "change"}    ${step.path}`,
        ...isWhole ? changedLinesOf(step.before ?? "", step.text) : [],
      ];
    case "remove":
      return [`remove    ${step.path}`];
    case "home":
      return [`make      ${step.path}, mode 0${step.mode.toString(8)}, of user khachapuri`];
    case "install":
      return [`install   ${step.path}`];
    case "configure":
      return [
        `configure ${step.home}/config.json, and keys and terms where there are none`,
        ...isWhole ? step.changes.map((change) => `    ${change}`) : [],
      ];
    case "terms":
      return [`look      whether ${step.path} are terms of your own; it ends here if not`];
  }
}

/** The lines that go and that come; those that stay are left out. */
function changedLinesOf(before: string, after: string): string[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  const common = commonLengths(old, fresh);
  const lines: string[] = [];
  for (let i = 0, j = 0; i < old.length || j < fresh.length;) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      i++;
      j++;
    } else if (j >= fresh.length || (i < old.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push(`    - ${old[i++]}`);
    } else {
      lines.push(`    + ${fresh[j++]}`);
    }
  }
  return lines;
}

/** Of what is left of both from each place on: how many lines they have in common, in order. */
function commonLengths(old: readonly string[], fresh: readonly string[]): number[][] {
  const lengths = Array.from({ length: old.length + 1 }, () => Array(fresh.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = fresh.length - 1; j >= 0; j--) {
      lengths[i]![j] = old[i] === fresh[j]
        ? lengths[i + 1]![j + 1]! + 1
        : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
    }
  }
  return lengths;
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}

/** What can be mutated, what became of each mutant, and what is wrong with that. */
import type { Mutant } from "./mutant.ts";

/**
 * What became of a mutant: a test failed; it does not compile; it compiles to what the source does;
 * or nothing was noticed.
 */
export type Outcome = "killed" | "invalid" | "equal" | "survived";

/** Where a mutant is, whatever stands above it. Equal lines of a file may be one. */
type Site = Pick<Mutant, "file" | "within" | "line" | "becomes" | "occurrence">;

/** A mutant that no test can notice, and why. */
export interface Survivor extends Site {
  reason: string;
}

/** Something that can be mutated and tested. */
export interface Target {
  /** How long a run takes when it is not told; null: as long as all of them need. */
  readonly minutes: number | null;
  mutants(): Promise<Mutant[]>;
  survivors(): Promise<Survivor[]>;
  /** Makes a copy to work in, in which the unchanged sources pass. */
  workspace(): Promise<Workspace>;
}

/** One copy of the project; one mutant at a time. */
export interface Workspace extends AsyncDisposable {
  /** @param signal ends what it has started; then it rejects */
  test(mutant: Mutant, signal: AbortSignal): Promise<Outcome>;
}

export interface Result {
  mutant: Mutant;
  outcome: Outcome;
}

function isSame(a: Site, b: Site): boolean {
  return a.file === b.file && a.within === b.within && a.line === b.line &&
    a.becomes === b.becomes && a.occurrence === b.occurrence;
}

/**
 * What is wrong with a run: survivors that are not named, and names without a survivor. A name is
 * kept while some mutant that it names was not run.
 * @param mutants all that the target has, run or not
 */
export function complaintsOf(
  mutants: readonly Mutant[],
  results: readonly Result[],
  survivors: readonly Survivor[],
): string[] {
  const alive = results.filter(({ outcome }) => outcome === "survived").map((r) => r.mutant);
  const unnamed = alive.filter((mutant) => !isExcused(mutant, survivors));
  const outcomes = new Map(results.map(({ mutant, outcome }) => [mutant, outcome]));
  const isStale = (named: Survivor) =>
    mutants.filter((mutant) => isSame(mutant, named)).every((mutant) => {
      const outcome = outcomes.get(mutant);
      return outcome !== undefined && outcome !== "survived";
    });
  return [
    ...unnamed.map(unnoticed),
    ...survivors.filter(isStale).map((named) =>
      `named as a survivor and none: ${named.file}\n  - ${named.line}\n  + ${named.becomes}`
    ),
    ...survivors.filter(({ reason }) => reason.trim() === "").map((named) =>
      `no reason for ${named.file}: ${named.becomes}`
    ),
  ];
}

/** Whether it is named as a survivor. What has to be noticed has no excuse. */
export function isExcused(mutant: Mutant, survivors: readonly Survivor[]): boolean {
  return mutant.name === undefined && survivors.some((named) => isSame(mutant, named));
}

function unnoticed(mutant: Mutant): string {
  const { file, lineNumber, within, name, line, becomes } = mutant;
  const where = [name && `"${name}"`, within && `in ${within}`].filter(Boolean).join(" ");
  return `no test notices ${file}:${lineNumber} ${where}`.trimEnd() +
    `\n  - ${line}\n  + ${becomes}`;
}

/** The entry that names a survivor, but for its reason. */
export function entryOf({ file, within, line, becomes, occurrence }: Mutant): Survivor {
  return {
    file,
    ...(within === undefined ? {} : { within }),
    line,
    becomes,
    ...(occurrence === undefined ? {} : { occurrence }),
    reason: "",
  };
}

/** "620 mutants: 588 killed, 13 invalid, 0 equal bytecode, 19 named, 0 unnamed" */
export function summaryOf(results: readonly Result[], survivors: readonly Survivor[]): string {
  const count = (outcome: Outcome) => results.filter((r) => r.outcome === outcome).length;
  const named =
    results.filter(({ outcome, mutant }) => outcome === "survived" && isExcused(mutant, survivors))
      .length;
  return `${results.length} mutants: ${count("killed")} killed, ${count("invalid")} invalid, ` +
    `${count("equal")} equal bytecode, ${named} named, ${count("survived") - named} unnamed`;
}

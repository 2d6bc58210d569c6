/** What can be mutated, what became of each mutant, and what is wrong with that. */
import type { Mutant } from "./solidity_mutants.ts";

/**
 * What became of a mutant: a test failed; it does not compile; it compiles to what the source does;
 * or nothing was noticed.
 */
export type Outcome = "killed" | "invalid" | "equal" | "survived";

/** A mutant that no test can notice, and why. Equal lines of a file are one. */
export interface Survivor {
  file: string;
  line: string;
  becomes: string;
  reason: string;
}

/** Something that can be mutated and tested. */
export interface Target {
  mutants(): Promise<Mutant[]>;
  survivors(): Promise<Survivor[]>;
  /** Makes a copy to work in, in which the unchanged sources pass. */
  workspace(): Promise<Workspace>;
}

/** One copy of the project; one mutant at a time. */
export interface Workspace extends AsyncDisposable {
  test(mutant: Mutant): Promise<Outcome>;
}

export interface Result {
  mutant: Mutant;
  outcome: Outcome;
}

type Site = Pick<Survivor, "file" | "line" | "becomes">;

const isSame = (a: Site, b: Site) =>
  a.file === b.file && a.line === b.line && a.becomes === b.becomes;

/** What is wrong with a run: survivors without a name, and names without a survivor. */
export function complaintsOf(
  results: readonly Result[],
  survivors: readonly Survivor[],
): string[] {
  const alive = results.filter(({ outcome }) => outcome === "survived").map((r) => r.mutant);
  const unnamed = alive.filter((mutant) => !survivors.some((named) => isSame(mutant, named)));
  const files = new Set(results.map(({ mutant }) => mutant.file));
  const stale = survivors.filter((named) =>
    files.has(named.file) && !alive.some((mutant) => isSame(mutant, named))
  );
  return [
    ...unnamed.map((m) =>
      `no test notices ${m.file}:${m.lineNumber}\n  - ${m.line}\n  + ${m.becomes}`
    ),
    ...stale.map((named) =>
      `named as a survivor and none: ${named.file}\n  - ${named.line}\n  + ${named.becomes}`
    ),
    ...survivors.filter(({ reason }) => reason.trim() === "").map((named) =>
      `no reason for ${named.file}: ${named.becomes}`
    ),
  ];
}

/** "620 mutants: 588 killed, 13 invalid, 0 equal bytecode, 19 named, 0 unnamed" */
export function summaryOf(results: readonly Result[], survivors: readonly Survivor[]): string {
  const count = (outcome: Outcome) => results.filter((r) => r.outcome === outcome).length;
  const named =
    results.filter(({ outcome, mutant }) =>
      outcome === "survived" && survivors.some((survivor) => isSame(mutant, survivor))
    ).length;
  return `${results.length} mutants: ${count("killed")} killed, ${count("invalid")} invalid, ` +
    `${count("equal")} equal bytecode, ${named} named, ${count("survived") - named} unnamed`;
}

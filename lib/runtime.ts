/** Interpreters and tools of a machine, as a provider says which of them its programs find. */

/** One of them: a file that programs can start by its name. */
export interface Runtime {
  /** As `#!/usr/bin/env` takes it, e.g. python3.11. */
  name: string;
  /** Whether programs are written for it, or only start it. */
  kind: "interpreter" | "tool";
  /** null where it does not tell. */
  version: string | null;
  path: string;
}

export interface Runtimes {
  /** In the order in which they are found. */
  found: readonly Runtime[];
  /** Families of which there is nothing. */
  lacking: readonly string[];
}

/** Where a program's names are looked for unless its environment says otherwise. */
export const RUNTIME_FOLDERS = ["/usr/local/bin", "/usr/bin"];

/** What names of one program have in common: python of python, python3 and python3.11. */
export function familyOf(name: string): string {
  return name.replace(/(?<=.)-?[0-9][0-9.]*$/, "");
}

/**
 * Whether a program finds what its first line asks for.
 * @param asked a name that env looks for, or an absolute path
 * @returns null where the provider has not looked for such
 */
export function hasRuntime({ found, lacking }: Runtimes, asked: string): boolean | null {
  const path = asked.replace(/^\/bin\//, "/usr/bin/");
  const name = path.slice(path.lastIndexOf("/") + 1);
  const isPath = asked.includes("/");
  if (isPath && !RUNTIME_FOLDERS.includes(path.slice(0, -name.length - 1))) return null;
  if (found.some((runtime) => isPath ? runtime.path === path : runtime.name === name)) return true;
  const families = new Set([...lacking, ...found.map((runtime) => familyOf(runtime.name))]);
  return families.has(familyOf(name)) ? false : null;
}

/** Those of one kind in words, each program once, by the shortest of its names. */
export function runtimesText(found: readonly Runtime[], kind: Runtime["kind"]): string {
  const ofKind = found.filter((runtime) => runtime.kind === kind);
  const byLength = ofKind.toSorted((one, other) => one.name.length - other.name.length);
  const shown = ofKind.filter((runtime) =>
    runtime ===
      byLength.find(({ name, version }) =>
        version === runtime.version && familyOf(name) === familyOf(runtime.name)
      )
  );
  return shown.map(({ name, version }) => version ? `${name} ${version}` : name).join(", ");
}

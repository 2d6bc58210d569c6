/** A release's notes: its section of CHANGELOG.md. */

const HEADING = /^## +(?<version>\S+)(?: +\((?<note>[^)]*)\))? *$/;

export interface Notes {
  /** Markdown, with its heading. */
  readonly text: string;
  /** Whether the section says that it is not of a release yet. */
  readonly isUnreleased: boolean;
}

/** The section of `version`; null where there is none, or nothing in it. */
export function notesOf(changelog: string, version: string): Notes | null {
  const lines = changelog.split("\n");
  const first = lines.findIndex((line) => HEADING.exec(line)?.groups?.version === version);
  if (first < 0) return null;
  const after = lines.slice(first + 1);
  const next = after.findIndex((line) => HEADING.test(line));
  const body = (next < 0 ? after : after.slice(0, next)).join("\n").trim();
  if (body === "") return null;
  const isUnreleased = HEADING.exec(lines[first]!)!.groups!.note === "unreleased";
  return { text: `# Khachapuri ${version}\n\n${body}\n`, isUnreleased };
}

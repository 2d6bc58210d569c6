/**
 * What lies in programs' folders and nobody wants published: it stays out, at any depth, unless
 * `.khachapuriignore` brings it back by its name. A pattern of .gitignore each.
 */

/** With all that was ever committed: a password that was taken out again is still in there. */
const HISTORIES = [".git", ".hg", ".svn", ".jj"];

/**
 * They are made again where they are missing, and hold times and paths of the machine that made
 * them: with them the same sources would have another cid on every machine. Python takes none of
 * them from a program: by the times in it, each is out of date once it is unpacked.
 */
const CACHES = [
  "__pycache__/",
  ".pytest_cache/",
  ".mypy_cache/",
  ".ruff_cache/",
  ".hypothesis/",
  ".ipynb_checkpoints/",
  ".tox/",
  ".nox/",
  "**/node_modules/.cache/",
  "**/.next/cache/",
  ".parcel-cache/",
  ".turbo/",
  ".nyc_output/",
  ".eslintcache",
  ".gradle/",
];

/** A Python environment leads to the machine that it was made on. */
const ENVIRONMENTS = [".venv/"];

/** Of systems and editors. A swap file is a copy of what is being edited, of secrets, too. */
const TRACES = [".DS_Store", "Thumbs.db", "desktop.ini", ".*.swp", ".idea/"];

export const LEFT_OUT: readonly string[] = [...HISTORIES, ...CACHES, ...ENVIRONMENTS, ...TRACES];

/** What of a path, or of a pattern, each of them is known by. */
const NAMES = LEFT_OUT.map((pattern) => namesIn(pattern).filter((name) => name !== "**"));

/**
 * Whether a pattern says the name of something that is left out. One that only fits it does not
 * bring it back: who packs all `*.py` does not mean those of an environment.
 */
export function namesLeftOut(pattern: string): boolean {
  const names = namesIn(pattern);
  return NAMES.some((each) => each.every((name) => names.includes(name)));
}

function namesIn(pattern: string): string[] {
  return pattern.split("/").map((name) => name.trim()).filter((name) => name !== "");
}

/** The house rules that a reader can check without running anything: sizes, imports, words. */
import { dirname, join, relative } from "node:path";

const SKIPPED = new Set(["node_modules", ".git", ".cache", "dist", "out", "cache", "coverage"]);
const CODE = /\.(ts|sol|c|h|sh)$/;
const TEXT = /\.(ts|sol|c|h|sh|md|json|toml|yml|service)$|^\.ci\/|^[A-Z]+$/;

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;
export const COLUMNS_MAX = 100;

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  path: string;
  text: string;
}

/** Every text file of the repository that people write. */
export async function readSources(root: string): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  const walk = async (dir: string): Promise<void> => {
    for await (const entry of Deno.readDir(dir)) {
      const path = join(dir, entry.name);
      const name = relative(root, path);
      if (entry.isDirectory && !SKIPPED.has(entry.name)) await walk(path);
      if (!entry.isFile || !TEXT.test(name)) continue;
      files.push({ path: name, text: await Deno.readTextFile(path) });
    }
  };
  await walk(root);
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

export const isCode = (file: SourceFile) => CODE.test(file.path);
export const isTypeScript = (file: SourceFile) => file.path.endsWith(".ts");
export const isTest = (path: string) => path.endsWith("_test.ts");
const isGenerated = (file: SourceFile) => /^\/[/*]+\s*Generated\b/.test(file.text);

/** Sizes of one file that are beyond the house's. */
export function sizeComplaints(file: SourceFile): string[] {
  if (isGenerated(file)) return [];
  const lines = file.text.split("\n");
  const complaints: string[] = [];
  if (lines.length - 1 > FILE_LINES_MAX) complaints.push(`${file.path}: ${lines.length - 1} lines`);
  for (const [index, text] of lines.entries()) {
    // forge fmt does not count a final semicolon.
    const line = file.path.endsWith(".sol") ? text.replace(/;$/, "") : text;
    // A URL, a test vector or a test's sentence can't be broken.
    const isUnbreakable =
      /https?:\/\/|[0-9a-zA-Z+/=]{64}|"[^"]{70,}"|^ *(?:Deno\.test|await t\.step)\(/
        .test(line);
    if ([...line].length > COLUMNS_MAX && !isUnbreakable) {
      complaints.push(`${file.path}:${index + 1}: ${[...line].length} columns`);
    }
  }
  if (isTypeScript(file)) complaints.push(...longFunctions(file.path, lines));
  return complaints;
}

const FUNCTION_START = /^( *)(?:export )?(?:default )?(?:async )?function\b/;
const BODY_START = /^( *).*(?:=>|\)(?:: [^=]+)?) \{$/;
const NOT_A_FUNCTION = /^ *(?:\} )?(?:else|if|for|while|switch|catch|class|do)\b/;

interface Span {
  first: number;
  last: number;
}

/** What is shipped; the rest (tests, worlds, tools, benches) only runs here. */
const SHIPPED = /^(?:main\.ts$|lib\/|packages\/|sandbox\/|contracts\/src\/)/;

/**
 * Functions that are too long. In what is shipped all of their lines count: where state meets many
 * methods, a class says so. In a test or a fake the functions within it count for themselves. The
 * formatter closes a body at the indentation it began with, so no parser is needed.
 */
function longFunctions(path: string, lines: readonly string[]): string[] {
  const spans: Span[] = [];
  for (const [first, line] of lines.entries()) {
    if (NOT_A_FUNCTION.test(line)) continue;
    const start = FUNCTION_START.exec(line) ?? BODY_START.exec(line);
    if (!start) continue;
    const closes = new RegExp(`^ {${start[1]!.length}}\\}`);
    const last = lines.findIndex((later, index) => index > first && closes.test(later));
    if (last > 0) spans.push({ first, last });
  }
  return spans.flatMap((span) => {
    const isWhole = SHIPPED.test(path) && !isTest(path);
    const count = isWhole ? span.last - span.first + 1 : ownLines(span, spans);
    return count > FUNCTION_LINES_MAX ? [`${path}:${span.first + 1}: ${count} lines`] : [];
  });
}

/** Without the lines of functions within it. */
function ownLines(span: Span, spans: readonly Span[]): number {
  let count = 0;
  for (let line = span.first; line <= span.last; line++) {
    const isInner = spans.some(({ first, last }) =>
      first > span.first && last < span.last && line >= first && line <= last
    );
    if (!isInner) count++;
  }
  return count;
}

const IMPORT =
  /^(?:import|export)\s(?:[^"';]*?\sfrom\s)?"(?<from>[^"]+)"|\bimport\("(?<lazy>[^"]+)"\)/gm;

export interface Import {
  /** The importing file. */
  file: string;
  /** The imported file within the repository, or the bare specifier. */
  target: string;
  /** Loaded by `import()` when it is used. */
  isLazy: boolean;
  /** Types only: gone at run time. */
  isTypeOnly: boolean;
}

/** What a TypeScript file imports. */
export function importsOf(file: SourceFile): Import[] {
  return [...file.text.matchAll(IMPORT)].map((match) => {
    const specifier = match.groups!.from ?? match.groups!.lazy!;
    return {
      file: file.path,
      target: specifier.startsWith(".") ? join(dirname(file.path), specifier) : specifier,
      isLazy: match.groups!.lazy !== undefined,
      isTypeOnly: /^(?:import|export) type\b/.test(match[0]),
    };
  });
}

const BASE = /^lib\/[a-z_0-9]+\.ts$/;
const PARTS = /^lib\/(?:ipfs|spec|chain)\//;

/** What the files of a layer may import besides their own folder; the first match counts. */
const LAYERS: readonly { layer: RegExp; own: RegExp; may: readonly RegExp[] }[] = [
  { layer: /^main\.ts$/, own: /^main\.ts$/, may: [/^lib\/cli\//] },
  { layer: BASE, own: BASE, may: [/^deno\.json$/] },
  { layer: /^lib\/ipfs\//, own: /^lib\/ipfs\//, may: [BASE] },
  { layer: /^lib\/spec\//, own: /^lib\/spec\//, may: [BASE] },
  { layer: /^lib\/chain\//, own: /^lib\/chain\//, may: [BASE, /^contracts\/[\w/]+\.json$/] },
  { layer: /^lib\/release\//, own: /^lib\/release\//, may: [BASE] },
  { layer: /^lib\/browser\//, own: /^lib\/browser\//, may: [BASE] },
  { layer: /^lib\/provider\//, own: /^lib\/provider\//, may: [BASE, PARTS, /^sandbox\//] },
  { layer: /^lib\/client\//, own: /^lib\/client\//, may: [BASE, PARTS, /^sandbox\//] },
  {
    layer: /^packages\//,
    own: /^packages\//,
    may: [BASE, /^lib\/(?:chain|client)\//],
  },
  { layer: /^lib\/cli\//, own: /^lib\//, may: [/^sandbox\//] },
  {
    layer: /^sandbox\//,
    own: /^sandbox\//,
    may: [
      /^lib\/(?:errors|limits|limits_of_servers|limits_of_sandboxes|byte_source|pause)\.ts$/,
      /^\.cache\/init\//,
    ],
  },
];

/** Imports of the shipped code against the direction of dependencies. Tests may import anything. */
export function directionComplaints(files: readonly SourceFile[]): string[] {
  return files.filter((file) => isTypeScript(file) && !isTest(file.path)).flatMap((file) => {
    const rule = LAYERS.find(({ layer }) => layer.test(file.path));
    if (!rule) return [];
    return importsOf(file)
      .filter(({ target }) => /\.(?:ts|json)$/.test(target))
      .filter(({ target }) => ![rule.own, ...rule.may].some((allowed) => allowed.test(target)))
      .map(({ target }) => `${file.path} may not import ${target}`);
  });
}

const NOT_SHIPPED = /^(?:worlds|tests|bench|tools|contracts\/test)\//;
const STAND_IN =
  /(?:^|[/_.])(?:fakes?|mocks?|stubs?|samples?|fixtures?|testing|worlds)(?:[/_.]|$)/i;
const SOLIDITY_IMPORT = /^import\s(?:[^"';]*?\sfrom\s)?"(?<from>[^"]+)"/gm;

/** What is shipped and imports what is not, or stands in for something. */
export function shippedComplaints(files: readonly SourceFile[]): string[] {
  const shipped = files.filter(({ path }) => SHIPPED.test(path) && !isTest(path));
  return shipped.flatMap((file) => [
    ...targetsOf(file)
      .filter((target) => NOT_SHIPPED.test(target))
      .map((target) => `${file.path} is shipped and imports ${target}`),
    ...(STAND_IN.test(file.path) ? [`${file.path} is shipped and named like a stand-in`] : []),
  ]);
}

function targetsOf(file: SourceFile): string[] {
  if (isTypeScript(file)) return importsOf(file).map(({ target }) => target);
  const names = [...file.text.matchAll(SOLIDITY_IMPORT)].map((match) => match.groups!.from!);
  return file.path.endsWith(".sol") ? names.map((name) => join(dirname(file.path), name)) : [];
}

/** Folders in which an import of types alone counts towards a cycle too. */
export const TYPES_COUNT_IN: readonly string[] = ["lib/", "packages/", "sandbox/"];

/**
 * Cycles among the imports that load a module at once, and among all imports of the files below
 * `typesCountIn`: a circle of types has to be understood as a whole, too.
 */
export function cycleComplaints(
  files: readonly SourceFile[],
  typesCountIn: readonly string[] = TYPES_COUNT_IN,
): string[] {
  const graph = new Map(
    files.filter(isTypeScript).map((file) => {
      const typesCount = typesCountIn.some((folder) => file.path.startsWith(folder));
      const imports = importsOf(file).filter((i) => !i.isLazy && (typesCount || !i.isTypeOnly));
      return [file.path, imports.map((i) => i.target)];
    }),
  );
  const done = new Set<string>();
  const complaints: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) complaints.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return complaints;
}

const BANNED_NAMES = /(?:^|\/)(?:utils?|helpers?|common|misc)(?:\/|\.|_test\.)/;

/** Names that say nothing about what is inside. */
export function nameComplaints(files: readonly SourceFile[]): string[] {
  return files.filter(({ path }) => BANNED_NAMES.test(path)).map(({ path }) => `${path}: name`);
}

/** Written apart, so that this file passes its own test. */
const BANNED_WORDS: readonly { word: RegExp; why: string }[] = [
  { word: new RegExp("--allow-" + "all"), why: "permissions are listed one by one" },
  { word: new RegExp('\\bdeno [^`"]*\\s-' + "A\\b"), why: "permissions are listed one by one" },
  { word: new RegExp("\\bTO" + "DO\\b|\\bFIX" + "ME\\b"), why: "unfinished" },
  { word: new RegExp("(?:^|[\\s\"'`=(])/(?:wor" + "k|ro" + "ot)/"), why: "a path of one machine" },
  { word: new RegExp("registry\\.npm" + "js|\\bjs" + "r\\.io"), why: "a registry's host" },
];

/** Words that must not stand in the repository. */
export function wordComplaints(file: SourceFile): string[] {
  return file.text.split("\n").flatMap((line, index) =>
    BANNED_WORDS.filter(({ word }) => word.test(line))
      .map(({ why }) => `${file.path}:${index + 1}: ${why}`)
  );
}

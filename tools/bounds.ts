/**
 * The rule for bounds: what a stranger can make us reach stands in lib/limits.ts, with a reason,
 * and is used. Text tells a bound by its name, `_MAX` or `_TIMEOUT_MS`: what only tunes our own
 * work is called otherwise.
 */
import { isTest, isTypeScript, type SourceFile } from "./tidy.ts";

const LIMITS = "lib/limits.ts";
/** That file, and what it passes on. */
const LIMIT_FILES: ReadonlySet<string> = new Set([
  LIMITS,
  "lib/limits_of_pages.ts",
  "lib/limits_of_peers.ts",
  "lib/limits_of_content.ts",
  "lib/limits_of_discovery.ts",
  "lib/limits_of_names.ts",
  "lib/limits_of_exact.ts",
  "lib/limits_of_offers.ts",
  "lib/limits_of_servers.ts",
  "lib/limits_of_sandboxes.ts",
  "lib/limits_of_callers.ts",
  "lib/limits_of_openings.ts",
  "lib/limits_of_logs.ts",
  "lib/limits_of_certificates.ts",
  "lib/limits_of_machine.ts",
  "lib/limits_of_books.ts",
  "lib/limits_of_slots.ts",
]);
const SHIPPED = /^(?:lib|packages|sandbox)\//;
const BOUND = /^ *(?:export )?const ([A-Z][A-Z0-9_]*(?:_MAX|_TIMEOUT_MS))\b[^=\n]*=\s*[-\d(]/;
/** The largest values of types bound nothing. */
const OF_A_TYPE = /^UINT\d+_MAX$/;

/** Files whose bounds stand beside their use, and why. */
export const BOUNDED_ELSEWHERE: Readonly<Record<string, string>> = {
  "sandbox/protocol.ts": "sizes that we and init agree on: init/protocol.h has the same",
};

/** Bounds outside lib/limits.ts, and exceptions that are not needed. */
export function boundComplaints(
  files: readonly SourceFile[],
  elsewhere: Readonly<Record<string, string>> = BOUNDED_ELSEWHERE,
): string[] {
  const found = files.filter(isShippedSource).flatMap(({ path, text }) =>
    LIMIT_FILES.has(path) ? [] : boundsIn(text).map(({ name, line }) => ({ path, name, line }))
  );
  const idle = Object.keys(elsewhere).filter((path) => !found.some((each) => each.path === path));
  return [
    ...found
      .filter(({ path }) => !Object.hasOwn(elsewhere, path))
      .map(({ path, line, name }) => `${path}:${line}: ${name} belongs in ${LIMITS}`),
    ...idle.map((path) => `${path}: needs no exception`),
  ];
}

function boundsIn(text: string): { name: string; line: number }[] {
  return text.split("\n").flatMap((code, index) => {
    const name = BOUND.exec(code)?.[1];
    return name && !OF_A_TYPE.test(name) ? [{ name, line: index + 1 }] : [];
  });
}

/** Bounds of lib/limits.ts that nothing shipped uses, or that give no reason. */
export function limitComplaints(files: readonly SourceFile[]): string[] {
  const limits = files.filter(({ path }) => LIMIT_FILES.has(path));
  const users = files.filter((file) => isShippedSource(file) && !LIMIT_FILES.has(file.path));
  const uses = (name: string) => users.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text));
  return limits.flatMap((file) => complaintsOf(file, uses));
}

function complaintsOf({ path, text }: SourceFile, uses: (name: string) => boolean): string[] {
  const lines = text.split("\n");
  return lines.flatMap((code, index) => {
    const name = /^export const ([A-Z0-9_]+)/.exec(code)?.[1];
    if (!name) return [];
    const about = `${path}:${index + 1}: ${name}`;
    return [
      ...(uses(name) ? [] : [`${about} is used nowhere`]),
      ...(lines[index - 1]?.endsWith("*/") ? [] : [`${about} gives no reason`]),
    ];
  });
}

function isShippedSource(file: SourceFile): boolean {
  return isTypeScript(file) && SHIPPED.test(file.path) && !isTest(file.path);
}

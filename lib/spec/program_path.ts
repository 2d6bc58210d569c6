/** Paths inside a program: the rules that packing, unpacking and the entrypoint share. */
import {
  PROGRAM_PATH_BYTES_MAX,
  PROGRAM_PATH_DEPTH_MAX,
  PROGRAM_PATH_SEGMENT_BYTES_MAX,
} from "../limits.ts";

// deno-lint-ignore no-control-regex -- control characters are what is being refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * The segments of a relative path that stays inside its folder on every file system; null for
 * anything else: absolute, with "." or "..", a drive, a backslash, control characters, too long.
 */
export function entryPath(path: string): readonly string[] | null {
  if (!path.isWellFormed() || CONTROL.test(path) || path.includes("\\")) return null;
  if (/^[A-Za-z]:/.test(path)) return null;
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  if (bytes(path) > PROGRAM_PATH_BYTES_MAX) return null;
  const segments = path.split("/");
  if (segments.length > PROGRAM_PATH_DEPTH_MAX) return null;
  const sane = segments.every((segment) =>
    segment !== "" && segment !== "." && segment !== ".." &&
    bytes(segment) <= PROGRAM_PATH_SEGMENT_BYTES_MAX
  );
  return sane ? segments : null;
}

/** All folders of a program, named or implied, a parent before its children. */
export function foldersOf(
  entries: readonly { path: string; kind: "file" | "folder" | "link" }[],
): string[] {
  const folders = new Set<string>();
  const add = (path: string): void => {
    if (path === "" || folders.has(path)) return;
    add(parentOf(path));
    folders.add(path);
  };
  for (const { path, kind } of entries) add(kind === "folder" ? path : parentOf(path));
  return [...folders];
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

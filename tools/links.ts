/** Links between the documents: every one leads to a file that is there, and to a heading in it. */
import { dirname, join, normalize } from "node:path/posix";

export interface Document {
  /** From the project's root. */
  readonly path: string;
  readonly text: string;
}

/** A link as it stands in a document, not in its code. */
export interface Link {
  readonly target: string;
  /** From 1. */
  readonly line: number;
}

const FENCED = /^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1`*\s*$/gm;
const CODE = /`[^`\n]*`/g;
const COMMENT = /<!--[\s\S]*?-->/g;
/** `[text](target)`, the text over lines; and `[name]: target`. */
const LINK = /\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s+(\S+)/gm;
/** Of another scheme, or of a host. */
const OUTSIDE = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i;

const blank = (text: string) => text.replace(/[^\n]/g, " ");

export function linksIn(text: string): Link[] {
  const prose = text.replace(FENCED, blank).replace(COMMENT, blank).replace(CODE, blank);
  return [...prose.matchAll(LINK)].map((match) => ({
    target: (match[1] ?? match[2])!,
    line: prose.slice(0, match.index).split("\n").length,
  }));
}

/** What a heading is linked by, as GitHub makes it and the site is told to. */
export function slugOf(heading: string): string {
  const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
  return plain.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
}

/** The anchors of a document; of headings alike the later ones are numbered. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  const seen = new Map<string, number>();
  for (const [, heading] of text.replace(FENCED, blank).matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)) {
    const slug = slugOf(heading!);
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    anchors.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return anchors;
}

/**
 * Links that lead nowhere.
 * @param exists whether there is a file or folder at a path from the root
 */
export function deadLinks(
  documents: readonly Document[],
  exists: (path: string) => boolean,
): string[] {
  const anchors = new Map(documents.map(({ path, text }) => [path, anchorsOf(text)]));
  return documents.flatMap(({ path, text }) =>
    linksIn(text).flatMap(({ target, line }) => {
      if (OUTSIDE.test(target)) return [];
      const fault = faultOf(target, path, anchors, exists);
      return fault ? [`${path}:${line}: ${target}: ${fault}`] : [];
    })
  );
}

function faultOf(
  target: string,
  from: string,
  anchors: ReadonlyMap<string, ReadonlySet<string>>,
  exists: (path: string) => boolean,
): string | null {
  const [way = "", anchor] = target.split("#");
  const path = way === "" ? from : normalize(join(dirname(from), decodeURI(way)));
  if (path.startsWith("..")) return "leads out of the project";
  if (!exists(path)) return "there is no such file";
  if (anchor === undefined) return null;
  const known = anchors.get(path);
  if (!known) return "only documents have headings";
  return known.has(anchor) ? null : "no such heading";
}

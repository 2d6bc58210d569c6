/** From the documents to the pages of the site: what stands in its menu, and how pages link. */
import { dirname, extname, join, normalize, relative } from "node:path/posix";
import { type Document, linksIn } from "./links.ts";

export interface MenuGroup {
  readonly text: string;
  /** Documents by their paths. */
  readonly items: readonly string[];
}

/** In the order in which one reads. A document that stands nowhere here is told by a test. */
export const MENU: readonly MenuGroup[] = [
  {
    text: "Begin",
    items: ["README.md", "docs/developer.md", "docs/caller.md", "docs/payer.md"],
  },
  {
    text: "Provide",
    items: [
      "docs/provider.md",
      "docs/operations.md",
      "docs/fleet.md",
      "docs/security.md",
      "docs/settlement.md",
    ],
  },
  {
    text: "Move here from",
    items: ["docs/from-lambda.md", "docs/from-chainlink-functions.md", "docs/from-gelato.md"],
  },
  {
    text: "Look up",
    items: [
      "docs/protocol.md",
      "docs/http.md",
      "docs/interfaces.md",
      "docs/exit-codes.md",
      "docs/metrics.md",
      "docs/sandbox.md",
      "docs/attacks.md",
    ],
  },
  {
    text: "Take part",
    items: [
      "samples/README.md",
      "packages/x402-credits/README.md",
      "contracts/README.md",
      "ARCHITECTURE.md",
      "CONTRIBUTING.md",
      "SECURITY.md",
      "CHANGELOG.md",
    ],
  },
];

/** Its first heading of the first level. @throws Error where there is none */
export function titleOf({ path, text }: Document): string {
  const title = /^# (.+)$/m.exec(text)?.[1];
  if (title === undefined) throw new Error(`${path} has no title`);
  return title;
}

export interface Page {
  /** From the site's root, ending in `.md`. */
  readonly path: string;
  readonly text: string;
}

/**
 * A page for each document, and one for each other file that they link to, which shows it: a site
 * has no sources to lead to.
 * @param read a file of the project; null for a folder
 */
export function pagesOf(
  documents: readonly Document[],
  read: (path: string) => string | null,
): Page[] {
  const pages = new Map<string, Page>();
  for (const { path, text } of documents) {
    const shown = sourcesLinked({ path, text }).filter((source) => read(source) !== null);
    for (const source of shown) {
      pages.set(source, { path: `${source}.md`, text: pageOf(source, read(source)!) });
    }
    pages.set(path, { path, text: relinked({ path, text }, new Set(shown)) });
  }
  return [...pages.values()];
}

/** Files of the project that a document links to and that are no documents. */
function sourcesLinked({ path, text }: Document): string[] {
  return linksIn(text).flatMap(({ target }) => {
    if (/^[a-z][a-z0-9+.-]*:|^#|^\/\//i.test(target)) return [];
    const way = normalize(join(dirname(path), target.split("#")[0]!));
    return extname(way) === ".md" ? [] : [way];
  });
}

function pageOf(path: string, text: string): string {
  const language = extname(path).slice(1) || "text";
  return `# ${path}\n\n\`\`\`\`${language}\n${text}\`\`\`\`\n`;
}

/** Links to what has a page of its own now lead there; to a folder, nowhere. */
function relinked({ path, text }: Document, shown: ReadonlySet<string>): string {
  return text.replace(/\[([^\]]*)\]\(([^)\s]+)\)/g, (whole, words, target) => {
    if (/^[a-z][a-z0-9+.-]*:|^#|^\/\//i.test(target) || /\.md(?:#|$)/.test(target)) return whole;
    const way = normalize(join(dirname(path), target.split("#")[0]!));
    if (!shown.has(way)) return words;
    const to = relative(dirname(path), `${way}.md`);
    return `[${words}](${to.startsWith(".") ? to : `./${to}`})`;
  });
}

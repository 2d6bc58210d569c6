/**
 * A page of ours for a browser. It may run the one script and use the one style that it was sent
 * with, which its policy knows by their hashes, ask this provider at most, and stand in no frame.
 */
import { createHash } from "node:crypto";
import type { HeaderField } from "./header_rules.ts";
import type { Answer } from "./request.ts";

export interface Document {
  readonly title: string;
  /** HTML: what comes from outside is `escaped`. */
  readonly body: string;
  /** Neither may end the element that it stands in. */
  readonly style: string;
  readonly script: string;
  /** Whether the script asks the provider. */
  readonly asks: boolean;
}

/** The whole document; without a script it runs none. */
export function documentHtml(
  { title, body, style, script }: Pick<Document, "title" | "body" | "style"> & { script?: string },
): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style></head>
<body>${body}${
    script === undefined ? "" : `\n<script type="module">${script}</script>`
  }</body></html>
`;
}

/** The document with the headers that hold it to itself. */
export function documentAnswer(document: Document, more: readonly HeaderField[] = []): Answer {
  const headers: HeaderField[] = [
    ["content-type", "text/html; charset=utf-8"],
    ["content-security-policy", policyOf(document)],
    // A wallet may open a window of its own.
    ["cross-origin-opener-policy", "same-origin-allow-popups"],
    ["referrer-policy", "no-referrer"],
    ["x-content-type-options", "nosniff"],
    ["cache-control", "no-cache"],
    ...more,
  ];
  return { status: 200, headers, body: new TextEncoder().encode(documentHtml(document)) };
}

/** CSP 3. */
function policyOf({ style, script, asks }: Document): string {
  return [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    ...(asks ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

/** Of texts that are the same for every request. */
const hashes = new Map<string, string>();

/** By what a policy knows a text (CSP 3, section 2.3.1). */
export function hashOf(text: string): string {
  const known = hashes.get(text);
  if (known) return known;
  const hash = `sha256-${createHash("sha256").update(text).digest("base64")}`;
  hashes.set(text, hash);
  return hash;
}

/** Any text, for HTML and for attributes in quotes. */
export function escaped(value: string): string {
  return value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** JSON that a script of the page finds by an id; nothing in it ends its element. */
export function jsonElement(id: string, value: unknown): string {
  const json = JSON.stringify(value).replace(/</g, "\\u003c");
  return `<script type="application/json" id="${id}">${json}</script>`;
}

/**
 * Lines to paste, with a button that copies them where there are scripts.
 * @param what is copied, for who does not see the lines beside it
 */
export function linesHtml(id: string, what: string, commands: readonly string[]): string {
  return `<div class="lines"><pre id="${id}" tabindex="0">${escaped(commands.join("\n"))}</pre>` +
    `<button type="button" hidden data-copy="${id}" aria-label="Copy ${escaped(what)}">Copy` +
    `</button></div>`;
}

/** Facts as a list of names and values. */
export function factsHtml(facts: readonly (readonly [string, string])[]): string {
  const rows = facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`);
  return `<dl>${rows.join("")}</dl>`;
}

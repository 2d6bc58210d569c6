/** Names by which deployments are called, in a path or as the host: of ENS, or of DNS. */
import { domainToASCII, domainToUnicode } from "node:url";
import { parseName } from "../../chain/name.ts";
import {
  DOMAIN_CHARACTERS_MAX,
  NAME_SPELLING_CHARACTERS_MAX,
  NAMES_REMEMBERED_MAX,
} from "../../limits_of_names.ts";
import { Lru } from "../../lru.ts";

/** Where it stands what a name points to. */
export type NameKind = "register" | "ens" | "dnslink";

export interface OutsideName {
  readonly kind: Exclude<NameKind, "register">;
  /** In the one spelling that its kind has: normalised (ENSIP-15), or in ASCII and lower case. */
  readonly name: string;
}

/**
 * Ends of names that DNS has not: for examples, tests and this machine (RFC 2606, 6761), local
 * ones (RFC 6762), what may not be looked up (RFC 7686, 9476), addresses; and of files that are
 * asked for at any web server, none of which is a top-level domain.
 */
const NO_DOMAINS: ReadonlySet<string> = new Set(
  `
  alt arpa example home internal invalid lan local localdomain localhost onion test

  asp aspx bak bmp cfg cgi conf css csv db dll doc env exe gif gz htm html ico ini jpeg jpg js json
  jsp log map mjs old pdf php png sql svg swf swp tar tgz txt webmanifest webp woff woff2 wsdl xml
  yaml yml
  `.trim().split(/\s+/),
);

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** A name is called many times by the same text. */
const read = new Lru<string, OutsideName | null>(NAMES_REMEMBERED_MAX);

/** The name of ENS or DNS that `text`, a path's segment or a host, is; null: it is none. */
export function nameIn(text: string): OutsideName | null {
  if (!text.includes(".") || text.length > NAME_SPELLING_CHARACTERS_MAX) return null;
  const known = read.get(text);
  if (known !== undefined) return known;
  const name = parse(text);
  read.set(text, name);
  return name;
}

function parse(spelled: string): OutsideName | null {
  let text: string;
  try {
    text = decodeURIComponent(spelled).replace(/\.$/, "").toLowerCase();
    if (text.endsWith(".eth")) return { kind: "ens", name: parseName(unicode(text)).text };
  } catch {
    return null;
  }
  // deno-lint-ignore no-control-regex -- what is not ASCII
  const name = /^[\x00-\x7f]*$/.test(text) ? text : domainToASCII(text);
  const labels = name.split(".");
  const last = labels.at(-1)!;
  const isDomain = labels.length > 1 && name.length <= DOMAIN_CHARACTERS_MAX &&
    labels.every((label) => LABEL.test(label)) && /^[a-z]/.test(last) && !NO_DOMAINS.has(last);
  return isDomain ? { kind: "dnslink", name } : null;
}

/** Browsers spell hosts in ASCII, and ENS knows no such spelling. */
function unicode(name: string): string {
  return name.includes("xn--") ? domainToUnicode(name) : name;
}

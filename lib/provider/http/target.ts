/** Whom a request is addressed to: a deployment, in one of two forms, or the provider itself. */
import { type CidText, formatCid, parseCid } from "../../cid.ts";
import { CID_TEXTS_REMEMBERED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";

/** A deployment below the provider's own origin, or at one of its own. */
export interface DeploymentTarget {
  /** "root": at whatever host was asked, as nothing else is served there. */
  readonly form: "path" | "host" | "root";
  readonly cid: CidText;
  /** The path that names it, as sent: "/{cid}" in the caller's spelling, or "" of an own host. */
  readonly mount: string;
  /** What follows, as sent; "" after a cid with no slash behind it, which is another resource. */
  readonly path: string;
}

export interface ProviderTarget {
  readonly form: "provider";
  readonly path: string;
}

export type Target = DeploymentTarget | ProviderTarget;

/**
 * Tells which deployment a request is for.
 * @param host the Host header; @param webHost the provider's own host name
 * @throws KhachapuriError `invalid_cid` when the first path segment should be a cid and is none
 */
export function targetOf(host: string, pathname: string, webHost: string): Target {
  // A port may be empty, and a name that ends in the root's dot is the same name (RFC 3986, 3.2).
  const name = host.toLowerCase().replace(/\.?(?::[0-9]*)?$/, "");
  if (name.endsWith(`.${webHost}`)) {
    const label = name.slice(0, -webHost.length - 1);
    return { form: "host", cid: canonical(label), mount: "", path: pathname };
  }
  const [, first = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(pathname) ?? [];
  if (!looksLikeCid(first)) return { form: "provider", path: pathname };
  return { form: "path", cid: canonical(first), mount: `/${first}`, path: rest };
}

/** A deployment is called many times by the same text. */
const canonicalTexts = new Lru<string, CidText>(CID_TEXTS_REMEMBERED_MAX);

function canonical(text: string): CidText {
  const known = canonicalTexts.get(text);
  if (known) return known;
  const cid = formatCid(parseCid(text));
  canonicalTexts.set(text, cid);
  return cid;
}

/** Our own paths are short words; what is long, or begins as cids do, is meant as a cid. */
function looksLikeCid(segment: string): boolean {
  return segment.length >= 32 || /^(baf|Qm|z[dbQ]|k[2-9a-z]|f01|m[A-Z])/.test(segment);
}

/**
 * Whom a request is addressed to: a deployment, by its cid or a name, in one of several forms, or
 * the provider itself.
 */
import type { Address } from "viem";
import { type CidText, formatCid, parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import { CID_TEXTS_REMEMBERED_MAX } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { labelFault } from "../../spec/name_label.ts";
import { nameIn, type NameKind } from "./name_text.ts";

/** Whose credit it is: that of the deployment's owner, or of who calls. */
export interface Payer {
  readonly source: "owner" | "caller";
  readonly payer: Address;
}

/** A deployment below the provider's own origin, or at one of its own. */
export interface DeploymentTarget {
  /**
   * "host": below the provider's host; "domain": at one that has nothing to do with the provider's;
   * "root": at whatever host was asked, as nothing else is served there.
   */
  readonly form: "path" | "host" | "domain" | "root";
  readonly cid: CidText;
  /** The name that it was called by, which may point elsewhere tomorrow. */
  readonly name?: string;
  /** The path that names it, as sent: "/{cid}" in the caller's spelling, or "" of an own host. */
  readonly mount: string;
  /** Is told when a credit was taken for the call. */
  readonly onPaid?: (bill: Payer) => void;
  /** What follows, as sent; "" after a cid with no slash behind it, which is another resource. */
  readonly path: string;
}

/** A deployment by a name: which one has to be found out. */
export interface NameTarget extends Omit<DeploymentTarget, "cid" | "form" | "onPaid"> {
  readonly form: "name";
  readonly at: "path" | "host" | "domain";
  readonly kind: NameKind;
  readonly name: string;
  /** Whom the request is for when nobody has the name; null: nobody. */
  readonly otherwise: (() => Target) | null;
}

export interface ProviderTarget {
  readonly form: "provider";
  readonly path: string;
}

export type Target = DeploymentTarget | NameTarget | ProviderTarget;

/** The labels that a provider's register has. */
export interface Labels {
  has(label: string): boolean;
}

/**
 * Tells which deployment a request is for.
 * @param host the Host header; @param webHost the provider's own host name
 * @param labels null: names mean nothing here
 * @throws KhachapuriError `invalid_cid` when the first path segment should be a cid and is none,
 * `not_found` for a host below the provider's that nobody has, or can have
 */
export function targetOf(
  host: string,
  pathname: string,
  webHost: string,
  labels: Labels | null = null,
): Target {
  const name = hostNameOf(host);
  if (name.endsWith(`.${webHost}`)) {
    return hostTarget(name.slice(0, -webHost.length - 1), pathname, labels);
  }
  if (labels === null || name === webHost) return pathTarget(pathname, labels);
  const own = nameIn(name);
  if (own === null) return pathTarget(pathname, labels);
  const otherwise = () => pathTarget(pathname, labels);
  return { form: "name", at: "domain", ...own, mount: "", path: pathname, otherwise };
}

/**
 * The host's name alone, of a Host field: a port may be empty, and a name that ends in the root's
 * dot is the same name (RFC 3986, section 3.2).
 */
export function hostNameOf(host: string): string {
  return host.toLowerCase().replace(/\.?(?::[0-9]*)?$/, "");
}

function hostTarget(label: string, path: string, labels: Labels | null): Target {
  if (labels?.has(label)) {
    const named = { kind: "register", name: label, mount: "", path, otherwise: null } as const;
    return { form: "name", at: "host", ...named };
  }
  const isKnown = canonicalTexts.get(label) !== undefined;
  if (!isKnown && labels !== null && !canBeCid(label)) throw nobodys(label);
  return { form: "host", cid: canonical(label), mount: "", path };
}

function pathTarget(pathname: string, labels: Labels | null): Target {
  const [, first = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(pathname) ?? [];
  const isKnown = canonicalTexts.get(first) !== undefined;
  const named = isKnown || labels === null ? null : pathName(first, labels);
  if (named) {
    const mount = `/${first}`;
    return { form: "name", at: "path", ...named, mount, path: rest, otherwise: null };
  }
  if (!looksLikeCid(first)) return { form: "provider", path: pathname };
  return { form: "path", cid: canonical(first), mount: `/${first}`, path: rest };
}

function pathName(segment: string, labels: Labels): Pick<NameTarget, "kind" | "name"> | null {
  const label = decoded(segment).toLowerCase();
  return labels.has(label) ? { kind: "register", name: label } : nameIn(segment);
}

/** As a client may spell it, which is the same path (RFC 3986, section 6.2.2.2). */
function decoded(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
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

/** A label below the provider's host that is no name to have, and might be meant as a cid. */
function canBeCid(label: string): boolean {
  return labelFault(label) !== null && !label.includes(".") && looksLikeCid(label);
}

function nobodys(label: string): KhachapuriError {
  const fault = labelFault(label);
  return new KhachapuriError("not_found", `nobody has the name ${label} here`, {
    hints: fault === null
      ? ["names are given to owners of deployments: khachapuri deploy --name"]
      : [`nobody can have it: ${fault}`, "call a deployment by its cid, or a name"],
  });
}

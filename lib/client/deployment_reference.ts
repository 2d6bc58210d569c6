/**
 * How people write which deployment they mean: its cid, a path or URL of it in IPFS, its provider's
 * name before it, or the URL that it is called at, which is what `deploy` prints.
 */
import { type CidText, formatCid, parseCid } from "../cid.ts";
import { KhachapuriError } from "../errors.ts";

/** A deployment, and what of it and where, as far as that was written. */
export interface DeploymentReference {
  readonly cid: CidText;
  /** Path and query within the deployment, as written; "" when nothing follows. */
  readonly path: string;
  /** A provider's name, or the URL that it serves at, without a trailing slash. */
  readonly provider: { readonly name: string } | { readonly webDomain: string } | null;
}

/**
 * Reads `CID`, `/ipfs/CID`, `ipfs://CID`, `NAME/CID`, `https://provider/CID` and
 * `https://CID.provider`, each with a path and a query behind it.
 * @throws KhachapuriError `usage` for another form, `invalid_cid` for a cid that we don't take
 */
export function parseDeploymentReference(text: string): DeploymentReference {
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^]*)$/i.exec(text) ?? [];
  if (scheme === undefined) return plainReference(text);
  if (scheme.toLowerCase() === "ipfs") return cidReference(rest!, text);
  if (/^https?$/i.test(scheme)) return urlReference(`${scheme.toLowerCase()}://`, rest!, text);
  throw malformed(text);
}

/** `CID`, `/ipfs/CID` or `NAME/CID`. */
function plainReference(text: string): DeploymentReference {
  const inIpfs = /^\/?ipfs\/([^]*)$/.exec(text);
  if (inIpfs) return cidReference(inIpfs[1]!, text);
  const [, name, rest] = /^([^/?#\s]*\.[^/?#\s]*)\/([^]*)$/.exec(text) ?? [];
  if (name !== undefined) return { ...cidReference(rest!, text), provider: { name } };
  if (/^[^/?#]*\./.test(text)) throw notThere([text], text);
  return cidReference(text, text);
}

/** `CID[/path][?query]`; a fragment is the client's own and goes nowhere. */
function cidReference(rest: string, whole: string): DeploymentReference {
  const [, cid, path] = /^([^/?#]+)((?:\/[^?#]*)?(?:\?[^#]*)?)(?:#[^]*)?$/.exec(rest) ?? [];
  if (cid === undefined) throw malformed(whole);
  return { cid: formatCid(parseCid(cid)), path: path!, provider: null };
}

/** The cid is the host's first label, or else the first segment of the path that is one. */
function urlReference(scheme: string, rest: string, whole: string): DeploymentReference {
  const [, authority, behind = ""] = /^([^/?#\s@]+)([/?#][^]*)?$/.exec(rest) ?? [];
  if (authority === undefined || !URL.canParse(`${scheme}${authority}`)) throw malformed(whole);
  const { host } = new URL(`${scheme}${authority}`);
  const [, label, parent] = /^([^.]+)\.(.+)$/.exec(host) ?? [];
  if (label !== undefined && isCid(label)) {
    return { ...cidReference(`${label}${behind}`, whole), provider: servedAt(scheme, parent!) };
  }
  const [path] = /^[^?#]*/.exec(behind)!;
  const segments = [...path.matchAll(/\/([^/]+)/g)];
  const segment = segments.find((match) => isCid(match[1]!));
  if (!segment) throw notThere([label ?? "", ...segments.map((match) => match[1]!)], whole);
  const provider = servedAt(scheme, `${host}${path.slice(0, segment.index)}`);
  return { ...cidReference(behind.slice(segment.index + 1), whole), provider };
}

/** A gateway's URL (`…/ipfs/CID`, `CID.ipfs.…`) names no provider. */
function servedAt(scheme: string, place: string): DeploymentReference["provider"] {
  if (/^ipfs\.|\/ipfs$/.test(place)) return null;
  return { webDomain: `${scheme}${place}`.replace(/\/+$/, "") };
}

function isCid(text: string): boolean {
  try {
    parseCid(text);
    return true;
  } catch {
    return false;
  }
}

/** Why what was meant for a cid is none, where one of the texts was. */
function notThere(texts: readonly string[], whole: string): unknown {
  const meant = texts.find((text) => /^(baf[ky]|qm)[a-z0-9]{4}/i.test(text));
  if (meant === undefined) return malformed(whole);
  try {
    parseCid(meant);
    return malformed(whole);
  } catch (error) {
    return error;
  }
}

function malformed(text: string): KhachapuriError {
  return new KhachapuriError("usage", `not a deployment: ${text}`, {
    hints: ["write CID, NAME/CID, or the URL that deploy printed: https://provider/CID"],
  });
}

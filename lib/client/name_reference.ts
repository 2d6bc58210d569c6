/**
 * How callers write a deployment by a name that its provider knows: `PROVIDER/NAME`, and the URLs
 * that `deploy --name` and `name set` print.
 */
import { PROVIDER_PATH_SEGMENTS_MAX } from "../limits_of_names.ts";
import { labelFault } from "../spec/name_label.ts";

/** A name, where it is to be asked for, and what of its deployment is called. */
export interface NameReference {
  /** A provider's name, or the URL that it serves at, without a trailing slash. */
  readonly provider: { readonly name: string } | { readonly webDomain: string };
  /** As written: a label, or a name of ENS or DNS. */
  readonly name: string;
  /** Path and query within the deployment, as written; "" when nothing follows. */
  readonly path: string;
}

/**
 * How a text may be read so, the likeliest first: in a URL the name may stand before the
 * provider's host or in the path, and only the servers there can tell. None: no name is in it.
 */
export function nameReferences(text: string): NameReference[] {
  const [, scheme, host, behind = ""] = /^(https?:\/\/)([^/?#\s@]+)([/?#][^]*)?$/i.exec(text) ?? [];
  if (scheme !== undefined) return urlReferences(scheme.toLowerCase(), host!, behind);
  const [, provider, rest] = /^([^/?#\s:]*\.[^/?#\s:]*)\/([^]*)$/.exec(text) ?? [];
  return provider === undefined ? [] : referenceTo({ name: provider }, rest!);
}

function urlReferences(scheme: string, authority: string, behind: string): NameReference[] {
  if (!URL.canParse(`${scheme}${authority}`)) return [];
  const { host } = new URL(`${scheme}${authority}`);
  const [, label, parent] = /^([^.:]+)\.(.+)$/.exec(host) ?? [];
  // Nobody serves providers at a top-level domain, but for this machine.
  const isBelow = parent !== undefined && /\.|^localhost(?::|$)/.test(parent);
  const before = isBelow && labelFault(label!) === null
    ? referenceTo({ webDomain: `${scheme}${parent}` }, `${label}${behind}`)
    : [];
  const [path] = /^[^?#]*/.exec(behind)!;
  const starts = [...path.matchAll(/\/(?=[^/])/g)].map(({ index }) => index);
  const within = starts.slice(0, PROVIDER_PATH_SEGMENTS_MAX + 1).flatMap((start) =>
    referenceTo({ webDomain: `${scheme}${host}${path.slice(0, start)}` }, behind.slice(start + 1))
  );
  return [...before, ...within];
}

/** `NAME[/path][?query]`; a fragment is the client's own and goes nowhere. */
function referenceTo(provider: NameReference["provider"], rest: string): NameReference[] {
  const [, name, path] = /^([^/?#\s]+)((?:\/[^?#]*)?(?:\?[^#]*)?)(?:#[^]*)?$/.exec(rest) ?? [];
  const isName = name !== undefined &&
    (/^[^.]+(\.[^.]+)+\.?$/.test(name) || labelFault(name.toLowerCase()) === null);
  return isName ? [{ provider, name, path: path! }] : [];
}

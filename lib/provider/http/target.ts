/**
 * One web origin, many strangers: what a program may say to a browser. Under `/{cid}` every
 * deployment shares the provider's origin, so nothing that outlives the answer is let through;
 * `https://{cid}.{domain}/` has an origin of its own.
 */
import { parseCid } from "../../cid.ts";
import { KhachapuriError } from "../../errors.ts";
import type { CID } from "multiformats/cid";
import type { HeaderField } from "./header_rules.ts";

/** Where a request is addressed: a deployment in one of two forms, or the provider itself. */
export type Target =
  | { form: "path" | "host"; cid: CID; path: string }
  | { form: "provider"; path: string };

/** Headers with effect on the whole origin or host, not just on one answer. */
const ORIGIN_WIDE: ReadonlySet<string> = new Set([
  "alt-svc",
  "clear-site-data",
  "nel",
  "origin-agent-cluster",
  "public-key-pins",
  "report-to",
  "reporting-endpoints",
  "service-worker-allowed",
  "strict-transport-security",
]);

/** What only an origin of one's own may say: a browser would apply it to the other deployments. */
const ONE_ORIGINS: ReadonlySet<string> = new Set([
  "accept-ch",
  "critical-ch",
  "set-cookie",
  "set-login",
  "use-as-dictionary",
  // Credentials typed in for one path go to its siblings too (RFC 7617 section 2.2).
  "www-authenticate",
]);

/** Orders to a proxy before us: a program could have it serve its own files, or fetch for it. */
const PROXY_ORDER = /^x-(accel|sendfile|lighttpd|reproxy)/;

/**
 * Tells which deployment a request is for.
 * @param host the Host header; @param webHost the provider's own host name
 * @throws KhachapuriError `invalid_cid` when the first path segment should be a cid and is none
 */
export function targetOf(host: string, pathname: string, webHost: string): Target {
  const name = host.toLowerCase().replace(/:[0-9]+$/, "");
  if (name.endsWith(`.${webHost}`)) {
    const label = name.slice(0, -webHost.length - 1);
    return { form: "host", cid: knownCid(label), path: pathname };
  }
  const [, first = "", rest = ""] = /^\/([^/]*)(.*)$/s.exec(pathname) ?? [];
  if (!looksLikeCid(first)) return { form: "provider", path: pathname };
  return { form: "path", cid: knownCid(first), path: rest === "" ? "/" : rest };
}

/** A deployment is called many times by the same text. */
const knownCids = new Map<string, CID>();
const KNOWN_CIDS_MAX = 10_000;

function knownCid(text: string): CID {
  const known = knownCids.get(text);
  if (known) return known;
  const cid = parseCid(text);
  if (knownCids.size >= KNOWN_CIDS_MAX) knownCids.delete(knownCids.keys().next().value!);
  knownCids.set(text, cid);
  return cid;
}

/** Our own paths are short words; what is long, or begins as cids do, is meant as a cid. */
function looksLikeCid(segment: string): boolean {
  return segment.length >= 32 || /^(baf|Qm|z[dbQ]|k[2-9a-z]|f01|m[A-Z])/.test(segment);
}

/**
 * A service worker of one program would see the requests of all others.
 * @throws KhachapuriError `access_denied`
 */
export function refuseServiceWorker(target: Target, headers: Headers): void {
  if (target.form !== "path" || headers.get("service-worker") === null) return;
  throw new KhachapuriError("access_denied", "service workers need an origin of their own", {
    hints: ["use https://{cid}.{domain}/ instead of /{cid}"],
  });
}

/**
 * What a caller paid for is its own, with the receipt's address in the headers: no cache between
 * may give it to anybody else, whatever the program says.
 */
export function keepPrivate(headers: readonly HeaderField[]): HeaderField[] {
  const kept = headers.filter(([name]) =>
    !name.endsWith("cache-control") && name !== "surrogate-control" && name !== "expires"
  );
  return [...kept, ["cache-control", "no-store"]];
}

/** Makes a program's response headers safe for the origin they are answered from. */
export function isolate(form: "path" | "host", headers: readonly HeaderField[]): HeaderField[] {
  const safe: HeaderField[] = [];
  for (const [name, value] of headers) {
    if (ORIGIN_WIDE.has(name) || PROXY_ORDER.test(name)) continue;
    if (form === "path" && ONE_ORIGINS.has(name)) continue;
    if (name === "x-content-type-options") continue;
    safe.push([name, name === "set-cookie" ? withoutDomain(value) : value]);
  }
  if (form === "path") safe.push(["content-security-policy", "sandbox"]);
  safe.push(["x-content-type-options", "nosniff"]);
  return safe;
}

/** A cookie for the whole domain would reach every other deployment. */
function withoutDomain(cookie: string): string {
  return cookie.split(";").filter((part) => !/^\s*domain\s*=/i.test(part)).join(";");
}

/**
 * One web origin, many strangers: what a program may say to a browser. Under `/{cid}` every
 * deployment shares the provider's origin, so nothing that outlives the answer is let through;
 * `https://{cid}.{domain}/` has an origin of its own.
 */
import { KhachapuriError } from "../../errors.ts";
import type { FieldReader } from "./fields.ts";
import type { HeaderField } from "./header_rules.ts";
import type { DeploymentTarget, Target } from "./target.ts";

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
 * A service worker of one program would see the requests of all others.
 * @throws KhachapuriError `access_denied`
 */
export function refuseServiceWorker(target: Target, fields: FieldReader): void {
  if (target.form !== "path" || !fields.has("service-worker")) return;
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
export function isolate(
  form: DeploymentTarget["form"],
  headers: readonly HeaderField[],
): HeaderField[] {
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

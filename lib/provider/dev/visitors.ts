/**
 * Whom a developer's program answers: who is on this machine, and the developer's own web pages. A
 * page of another site can have its name lead here (DNS rebinding) and then read every answer, or
 * have a browser send requests that it cannot read but that run the program.
 */
import { KhachapuriError } from "../../errors.ts";
import type { FieldReader } from "../http/fields.ts";
import type { HttpRequest } from "../http/request.ts";

export interface Visit extends Pick<HttpRequest, "method" | "host"> {
  readonly fields: FieldReader;
}

/**
 * @param names the hosts that are answered beside this machine's own names
 * @throws KhachapuriError `misdirected` for another Host; `access_denied` for what the page of
 * another site has its browser send (W3C's Fetch Metadata)
 */
export function assertWelcome(visit: Visit, names: readonly string[]): void {
  const name = nameOf(visit.host);
  if (!isOurs(name, names)) {
    throw new KhachapuriError("misdirected", `dev does not answer as ${name}`, {
      hints: [`if that name is yours, start dev with --allow-host ${name}`],
    });
  }
  if (!isOfAnotherSite(visit) || isFollowedLink(visit)) return;
  const origin = visit.fields.get("origin") ?? "null";
  const page = URL.canParse(origin) ? nameOf(new URL(origin).host) : null;
  if (page !== null && isOurs(page, names)) return;
  const who = page === null ? "another site" : page;
  throw new KhachapuriError("access_denied", `dev takes no requests from pages of ${who}`, {
    hints: [`if the page is yours, start dev with --allow-host ${page ?? "its host"}`],
  });
}

/** Without its port, and without the root's dot. */
function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.?(?::[0-9]*)?$/, "");
}

/** Browsers always say a host; who speaks HTTP/1.0 without one is none. */
function isOurs(name: string, names: readonly string[]): boolean {
  return /^(?:|(?:.*\.)?localhost|127\.0\.0\.1|\[::1\])$/.test(name) ||
    names.some((each) => nameOf(each) === name);
}

/** A browser that does not say so (it may not, over plain HTTP) says of which origin a page is. */
function isOfAnotherSite({ fields }: Visit): boolean {
  const site = fields.get("sec-fetch-site");
  return site === null ? fields.has("origin") : site === "cross-site";
}

/** A person goes there, as after signing in elsewhere: the answer is theirs, and no page's. */
function isFollowedLink({ method, fields }: Visit): boolean {
  return method === "GET" && fields.get("sec-fetch-mode") === "navigate" &&
    fields.get("sec-fetch-dest") === "document";
}

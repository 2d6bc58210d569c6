/** What a 402 says is paid for: the one place where what was asked becomes x402's `resource`. */
import {
  RESOURCE_DESCRIPTION_CHARACTERS_MAX,
  RESOURCE_TAG_CHARACTERS_MAX,
  RESOURCE_TAGS_MAX,
} from "../../limits_of_offers.ts";
import type { Resource } from "../../payment_required.ts";
import type { RequestTarget } from "./request_target.ts";
import { hostNameOf, type Target } from "./target.ts";

/** What a deployment's owner says of it, to whoever wants to know. */
export interface About {
  readonly description?: string;
  /** Of its answers. */
  readonly mimeType?: string;
  readonly tags?: readonly string[];
}

/** Who is asked: the provider as it is configured, whatever a caller says. */
export interface Service {
  readonly name: string;
  readonly webDomain: URL;
}

/** What an answer is of which nobody says it (RFC 9110, section 8.3). */
const UNKNOWN_TYPE = "application/octet-stream";
const PRINTABLE = /^[\x20-\x7e]{1,32}$/;

/** @param about null: its owner says nothing of it */
export function resourceOf(
  { name, webDomain }: Service,
  target: Pick<Target, "form">,
  request: RequestTarget,
  about: About | null = null,
): Resource {
  const tags = (about?.tags ?? []).filter((tag) => tag.length <= RESOURCE_TAG_CHARACTERS_MAX)
    .slice(0, RESOURCE_TAGS_MAX);
  return {
    url: urlOf(webDomain, target, request),
    description: shortened(
      about?.description ?? `One run of a program, at ${name}, a provider of Khachapuri.`,
    ),
    mimeType: about?.mimeType ?? UNKNOWN_TYPE,
    ...(PRINTABLE.test(name) ? { serviceName: name } : {}),
    ...(tags.length > 0 ? { tags } : {}),
  };
}

/**
 * Our own URL with what was asked behind it, octet for octet: mppx up to 0.10.1 pays for the URL
 * that it asked and no other spelling of it. Of the host that a caller names only what leads to a
 * deployment is taken: a label below ours, or a name that was found to point here.
 */
function urlOf(webDomain: URL, { form }: Pick<Target, "form">, request: RequestTarget): string {
  const { protocol, host, port, hostname, pathname } = webDomain;
  const asked = visible(request.path + (request.query === null ? "" : `?${request.query}`));
  const called = hostNameOf(request.host);
  if (form === "host" && called.endsWith(`.${hostname}`)) {
    return `${protocol}//${called.slice(0, -hostname.length)}${host}${asked}`;
  }
  if (form === "domain") return `${protocol}//${called}${port === "" ? "" : `:${port}`}${asked}`;
  return `${protocol}//${host}${pathname.replace(/\/$/, "")}${asked}`;
}

/** As a URL has it, visible ASCII alone (RFC 3986): other octets can only be meant as escapes. */
export function visible(octets: string): string {
  return octets.replace(
    /[^\x21-\x7e]/g,
    (octet) => `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** Cut between characters, with a mark where there was more. */
function shortened(text: string): string {
  if (text.length <= RESOURCE_DESCRIPTION_CHARACTERS_MAX) return text;
  const head = text.slice(0, RESOURCE_DESCRIPTION_CHARACTERS_MAX - 1);
  return `${head.replace(/[\ud800-\udbff]$/, "")}…`;
}

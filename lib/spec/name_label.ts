/**
 * Labels that owners may have in a provider's register of names: one of DNS, as it stands before
 * the provider's domain, and nothing that means something else there or as a path.
 */
import { KhachapuriError } from "../errors.ts";
import { NAME_LABEL_CHARACTERS_MAX } from "../limits_of_names.ts";

const LABEL_CHARACTERS_MIN = 3;

/** Paths of the provider, some that it may have one day, and what others take hosts for. */
const RESERVED: ReadonlySet<string> = new Set(
  `
  deployments dry-run favicon healthz ipfs ipns lane logs metrics names onboard permit push receipt
  receipts relay robots settle sitemap stop terms well-known

  account accounts admin administrator api app auth billing cdn dashboard docs help home legal
  login logout oauth pay payment payments privacy root security signin signup static status support
  sysadmin system wallet www

  abuse autoconfig autodiscover broadcasthost dns ftp hostmaster imap info isatap localdomain
  localhost mail mta-sts mx ns1 ns2 ns3 noc no-reply noreply pop pop3 postmaster smtp ssladmin
  ssladministrator sslwebmaster usenet uucp webmaster wpad
  `.trim().split(/\s+/),
);

/** What is wrong with a label; null: nothing. */
export function labelFault(label: string): string | null {
  const { length } = label;
  if (length < LABEL_CHARACTERS_MIN || length > NAME_LABEL_CHARACTERS_MAX) {
    return `a label has ${LABEL_CHARACTERS_MIN} to ${NAME_LABEL_CHARACTERS_MAX} characters`;
  }
  if (!/^[a-z0-9-]*$/.test(label)) return "a label has a to z, 0 to 9 and - only";
  if (/^-|-$/.test(label)) return "a label neither begins nor ends with -";
  // RFC 5891, section 4.2.3.1: so begin names in other scripts, which may look like any label.
  if (/^..--/.test(label)) return "a label has no -- in third and fourth place";
  if (/^[0-9]+$/.test(label)) return "a label of digits alone is taken for a number";
  if (looksLikeCid(label)) return "a label must not look like a cid";
  if (RESERVED.has(label)) return `"${label}" means something else at providers`;
  return null;
}

/** @throws KhachapuriError `invalid_name` that says what a label is like */
export function assertLabel(label: string): void {
  const fault = labelFault(label);
  if (fault === null) return;
  throw new KhachapuriError("invalid_name", `not a name to have here: ${fault}`, {
    hints: ["take another, as blog or my-app"],
  });
}

/** No word begins as cids in base32 and base16 do, or is as long as one without a hyphen. */
function looksLikeCid(label: string): boolean {
  return /^(baf|bag|f01)/.test(label) || /^[a-z0-9]{40,}$/.test(label);
}

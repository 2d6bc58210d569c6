/** Services that know their customer by a bearer token: it goes there alone, and is never shown. */
import { type ErrorCode, KhachapuriError } from "../../errors.ts";
import { isConfidential } from "../../web_url.ts";
import { whyRefused } from "../../unreachable.ts";
import { printable } from "../provider_http.ts";

export interface BearerService {
  /** Base URL. */
  url: string;
  token: string;
}

/** Characters of a service's own words that are quoted. */
const QUOTED_CHARACTERS = 200;

/** @throws KhachapuriError `invalid_config` where others could read the token on its way */
export function assertConfidential({ url }: BearerService, what: string): void {
  if (isConfidential(new URL(url))) return;
  throw new KhachapuriError("invalid_config", `${what} is no https URL: ${url}`, {
    hints: ["its token would travel in the clear"],
  });
}

export function bearer({ token }: BearerService): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/**
 * What a service's refusal means.
 * @param said its own words, if it has any
 */
export function refusedBy(service: BearerService, status: number, said: string): KhachapuriError {
  const { host } = new URL(service.url);
  const words = quoted(service, said);
  const why = `${host}: ${whyRefused(status)}${words === "" ? "" : `: ${words}`}`;
  return new KhachapuriError(codeOf(status), why);
}

/** A service's own words, safe to print: it was told the token, and may say it back. */
export function quoted({ token }: BearerService, said: string): string {
  return printable(said.replaceAll(token, "…")).trim().slice(0, QUOTED_CHARACTERS);
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "access_denied";
  if (status === 402) return "payment_required";
  if (status === 413) return "body_too_large";
  if (status === 429) return "rate_limited";
  return status >= 500 ? "ipfs_unavailable" : "invalid_input";
}

/** A service's relative path below its base URL. */
export function at({ url }: BearerService, path: string): URL {
  return new URL(path, url.endsWith("/") ? url : `${url}/`);
}

/** The terms that an owner agrees to: what the provider serves, if it is what its name pins. */
import type { Hex } from "viem";
import { KhachapuriError } from "../errors.ts";
import { TERMS_BYTES_MAX } from "../limits.ts";
import { termsHash } from "../spec/terms.ts";
import { askProvider, printable } from "./provider_http.ts";

/**
 * The text behind the terms hash of a provider's name, safe to print on a terminal.
 * @throws KhachapuriError `terms_refused` when another text is served than the name pins;
 *   `provider_unavailable`
 */
export async function fetchTerms(
  record: { name: string; webDomain: string; terms: Hex },
  options: { fetch?: typeof fetch } = {},
): Promise<string> {
  const bytes = await askProvider({
    webDomain: record.webDomain,
    path: `/terms?hash=${record.terms}`,
    bytesMax: TERMS_BYTES_MAX,
    ...options,
  });
  if (termsHash(bytes) !== record.terms) {
    const message = `${record.webDomain}/terms is not the text that ${record.name} pins`;
    throw new KhachapuriError("terms_refused", message, {
      hints: [
        `its keccak256 should be ${record.terms}`,
        "ask the provider; sign nothing until then",
      ],
    });
  }
  return printable(new TextDecoder().decode(bytes));
}

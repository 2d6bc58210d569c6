/** Asking whether a provider's terms are agreed to, once for each text. */
import { noteAgreement, readAgreement, type TermsRecord } from "../client/agreed_terms.ts";
import { fetchTerms } from "../client/provider_terms.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";

/**
 * Shows the terms and asks, unless they were agreed to before or are accepted unasked; an
 * agreement is noted in the home.
 * @throws KhachapuriError `terms_refused`; `usage` when there is no terminal to ask on
 */
export async function agree(
  context: CommandContext,
  record: TermsRecord & { readonly webDomain: string },
  isAccepted: boolean,
): Promise<void> {
  const { out, home } = context;
  const { name, terms } = record;
  const earlier = await readAgreement(home, record);
  if (earlier?.terms === terms) {
    return out.note(`terms of ${name} as agreed on ${earlier.agreedAt.slice(0, 10)}: ${terms}`);
  }
  out.progress(`reading the terms of ${name}`);
  const text = await fetchTerms(record);
  if (isAccepted) out.note(`terms of ${name} accepted: ${terms}`);
  else {
    if (earlier) out.note(`the terms of ${name} changed since ${earlier.agreedAt.slice(0, 10)}`);
    out.note(`\n--- terms of ${name} (${terms})\n${text.trimEnd()}\n---`);
    const question = `Do you agree to the terms of ${name}?`;
    if (!await context.confirm(question, "read them, then give --accept-terms")) {
      throw new KhachapuriError("terms_refused", `the terms of ${name} were not accepted`);
    }
  }
  await noteAgreement(home, record, new Date().toISOString());
}

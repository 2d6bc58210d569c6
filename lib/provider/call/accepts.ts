/** What a 402 asks for: one entry for each way to be paid that is open now. */
import type { Accepts } from "../http/failure.ts";
import type { PaymentScheme } from "../money/scheme.ts";

export function acceptsOf(schemes: readonly PaymentScheme[]): Accepts {
  return ({ lane, creditsMax }) =>
    schemes.map((scheme) => scheme.offer({ lane, creditsMax })).filter((entry) => entry !== null);
}

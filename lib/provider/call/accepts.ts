/** What a 402 asks for: one entry for each way to be paid that is open now. */
import type { Accepts } from "../http/failure.ts";
import type { PaymentScheme } from "../money/scheme.ts";

/** First the one that takes every request, which whoever can pay in several ways does best by. */
export function acceptsOf(schemes: readonly PaymentScheme[]): Accepts {
  return ({ lane, creditsMax }) =>
    schemes.toReversed().map((scheme) => scheme.offer({ lane, creditsMax })).filter((offer) =>
      offer !== null
    );
}

/**
 * A provider as a scheme's client meets it, without a wire: takes permits by the one rule that
 * counts (a lane's used credits are less than the permit's), and remembers every permit that it was
 * given, as a hostile one would.
 */
import type { CreditsScheme } from "../packages/x402-credits/index.ts";
import type { Requirements } from "../packages/x402-credits/index.d.ts";
import { type CreditsOffer, offerToJson, paymentResponse } from "../lib/payment_header.ts";
import { type Permit, permitFromJson } from "../lib/permit.ts";
import type { LaneCount } from "../lib/lane_count.ts";

/** What is answered to a permit. */
export type Answer =
  | { readonly charged: bigint }
  | { readonly refused: CreditsOffer; readonly others?: readonly object[] }
  | "nothing said";

export interface CreditsServer {
  readonly offer: CreditsOffer;
  /** All that were ever sent, oldest first. */
  readonly permits: Permit[];
  /** Credits that are used, by lane. */
  readonly used: Map<string, bigint>;
  /** Judges a permit as an honest provider does. */
  judge(permit: Permit): Answer;
  /** What all the permits together could be charged for, USDC base units. */
  worth(): bigint;
}

export function creditsServer(offer: CreditsOffer): CreditsServer {
  const permits: Permit[] = [];
  const used = new Map<string, bigint>();
  return {
    offer,
    permits,
    used,
    judge(permit) {
      const count = used.get(permit.lane) ?? 0n;
      const lane: LaneCount = { id: permit.lane, cumulative: count };
      if (count >= permit.credits) return { refused: { ...offer, lane } };
      used.set(permit.lane, count + 1n);
      return { charged: count + 1n };
    },
    worth: () => worthOf(permits),
  };
}

/** The highest count of each lane at the highest price that was ever signed for it. */
export function worthOf(permits: readonly Permit[]): bigint {
  const lanes = Map.groupBy(permits, ({ lane, provider }) => `${provider} ${lane}`);
  return lanes.values().reduce((sum, of) => {
    const most = (pick: (permit: Permit) => bigint) =>
      of.map(pick).reduce((one, other) => one > other ? one : other);
    return sum + most(({ credits }) => credits) * most(({ price }) => price);
  }, 0n);
}

/** Pays for one call as `@x402/fetch` does: once more after an answer that mends the scheme. */
export async function payOnce(
  scheme: CreditsScheme,
  server: CreditsServer,
  answer: (permit: Permit, payload: Record<string, unknown>) => Answer | Promise<Answer>,
): Promise<Answer> {
  const requirements = requirementsOf(server.offer);
  for (let isLast = false;; isLast = true) {
    const paymentPayload = await scheme.createPaymentPayload(2, requirements);
    const permit = permitFromJson(paymentPayload.payload.permit);
    server.permits.push(permit);
    const said = await answer(permit, paymentPayload.payload);
    const result = await scheme.schemeHooks.onPaymentResponse({
      paymentPayload,
      requirements,
      ...contextOf(server, permit, said),
    });
    if (!result?.recovered || isLast) return said;
  }
}

export function requirementsOf(offer: CreditsOffer): Requirements {
  return offerToJson(offer);
}

function contextOf({ offer: { chainId } }: CreditsServer, { payer }: Permit, said: Answer) {
  if (said === "nothing said") return {};
  if ("refused" in said) {
    return { paymentRequired: { accepts: [offerToJson(said.refused), ...said.others ?? []] } };
  }
  const cumulativeCredits = said.charged;
  const notice = { chainId, payer, chargedCredits: 1n, cumulativeCredits, availableCredits: 1n };
  return { settleResponse: paymentResponse(notice) };
}

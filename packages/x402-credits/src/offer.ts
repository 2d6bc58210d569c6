/** Whether an offer is one that its reader would pay, whoever makes it. */
import { isAddressEqual } from "viem";
import { chainText } from "../../../lib/chain/deployments.ts";
import { formatUsdc } from "../../../lib/chain/usdc.ts";
import { KhachapuriError } from "../../../lib/errors.ts";
import { type CreditsOffer, offersIn } from "../../../lib/payment_header.ts";
import type { Requirements } from "../index.d.ts";
import { escrowsOn, type KnownEscrow, type Settings } from "./settings.ts";

/** An offer by a provider that may be paid, through an escrow that is trusted. */
export interface GoodOffer extends CreditsOffer {
  readonly known: KnownEscrow;
  /** How many credits its run may take, at most. */
  readonly credits: bigint;
}

/**
 * Reads an entry of `accepts`. What spend controls look at is `amount`, and what is signed is
 * `pricePerCredit`: they have to be the same.
 * @throws KhachapuriError `invalid_input`, `untrusted_escrow`, `access_denied` for another provider
 *   than those that may be paid, `payment_required` for a price beyond the cap of a call
 */
export function readOffer(
  settings: Settings,
  requirements: Requirements,
  clientsCap: string | undefined,
): GoodOffer {
  const [offer] = offersIn([requirements], "the offer", "invalid_input");
  if (!offer) throw new KhachapuriError("invalid_input", "the offer is not of scheme credits");
  if (requirements.amount !== String(offer.pricePerCredit)) {
    const message = `the offer says ${requirements.amount} and asks for ${offer.pricePerCredit}`;
    throw new KhachapuriError("invalid_input", message);
  }
  const known = trusted(settings, offer);
  const { providers, caps } = settings;
  if (providers !== null && !providers.has(offer.payTo)) {
    throw new KhachapuriError("access_denied", `${offer.payTo} is none of those to be paid`, {
      hints: ["nothing was signed", "add it to `providers` if you mean it"],
    });
  }
  const credits = creditsOf(settings, offer);
  const cost = offer.pricePerCredit * credits;
  assertUpTo(cost, caps.perCall, "caps.perCall");
  if (clientsCap !== undefined && /^\d+$/.test(clientsCap)) {
    assertUpTo(cost, BigInt(clientsCap), "the client's spend controls");
  }
  return { ...offer, known, credits };
}

/** As many as are wanted, and no more than any run there takes. */
function creditsOf({ creditsPerCall }: Settings, { creditsMax = 1 }: CreditsOffer): bigint {
  return creditsPerCall < BigInt(creditsMax) ? creditsPerCall : BigInt(creditsMax);
}

/** A contract that anybody wrote could take what is signed in its domain for whatever it likes. */
function trusted(settings: Settings, { chainId, escrow, asset }: CreditsOffer): KnownEscrow {
  const known = escrowsOn(settings, chainId).find((each) => isAddressEqual(each.escrow, escrow));
  if (!known) {
    const message = `the escrow ${escrow} on ${chainText(chainId)} is none that you trust`;
    throw new KhachapuriError("untrusted_escrow", message, {
      hints: ["nothing was signed", "add it to `escrows` if you know it to be sound"],
    });
  }
  const { verifyingContract } = known.usdc;
  if (isAddressEqual(verifyingContract, asset)) return known;
  const message = `that escrow holds USDC at ${verifyingContract}, and the offer says ${asset}`;
  throw new KhachapuriError("invalid_input", message);
}

function assertUpTo(amount: bigint, cap: bigint, what: string): void {
  if (amount <= cap) return;
  const message = `a call costs ${formatUsdc(amount)} USDC, and ${what} allows ${formatUsdc(cap)}`;
  throw new KhachapuriError("payment_required", message, { hints: ["nothing was signed"] });
}

/** Providers as places to publish to: who takes an owner's content, and on which terms. */
import type { Address, LocalAccount } from "viem";
import type { Allowance } from "../chain/escrow.ts";
import { formatUsdc } from "../chain/usdc.ts";
import { allowanceFault } from "../client/deploy.ts";
import type { ContentOffer } from "../client/provider_limits.ts";
import type { Destination } from "../client/publishing/destination.ts";
import { sizeText } from "../client/publishing/meter.ts";
import { providerPush } from "../client/publishing/provider_push.ts";
import { KhachapuriError } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { creditsAdvised, fundingAdvice } from "./funding_advice.ts";

/** A provider, and how the owner stands with it. */
export interface PushPlace {
  record: { name: string; webDomain: string; address: Address; price: bigint };
  chainId: number;
  escrow: Address;
  content: ContentOffer | null;
  held: Allowance;
}

const USDC = 1_000_000n;
const ELSEWHERE = "or publish elsewhere: --no-push with --kubo URL, --pinata or --out DIR";

/** Takes an owner's content as it is. */
export function pushTo(account: LocalAccount, place: PushPlace): Destination {
  const { record: { name, webDomain, address }, chainId, escrow, content } = place;
  const isPublic = content?.isPublic ?? false;
  return providerPush(account, { name, webDomain, address, chainId, escrow, isPublic });
}

/**
 * Asked before anything is signed or sent: whether the provider takes so much from this owner.
 * @param bytes of the largest CAR
 * @param ownerPays whether calls are to be at the owner's expense
 * @throws KhachapuriError `not_implemented` where it takes none, `body_too_large`,
 *   `payment_required` with the commands that mend it
 */
export async function assertTakes(
  context: CommandContext,
  owner: Address,
  { record, content, held }: PushPlace,
  { bytes, ownerPays }: { bytes: number; ownerPays: boolean },
): Promise<void> {
  const { name } = record;
  if (!content?.push) throw takesNothing(name);
  const { carBytesMax, bytesPerUsdc } = content.push;
  if (bytes > carBytesMax) {
    const message = `${name} takes ${carBytesMax} bytes at once, and these are ${bytes}`;
    throw new KhachapuriError("body_too_large", message, {
      hints: ["leave out what it does not need: .khachapuriignore", ELSEWHERE],
    });
  }
  const fault = allowanceFault(held, owner, record.price);
  if (fault === "no credits" || (ownerPays && fault !== null)) {
    const steps = await fundingAdvice(context, owner, { ...record, credits: creditsAdvised(1n) });
    const message = `${name} keeps programs for who allows it credits, and can't charge you ` +
      `yet (${fault})`;
    throw new KhachapuriError("payment_required", message, { hints: [...steps, ELSEWHERE] });
  }
  const allowed = held.credits * held.pricePerCredit;
  if (BigInt(bytes) * USDC <= BigInt(Math.floor(bytesPerUsdc)) * allowed) return;
  const credits = creditsFor(bytes, bytesPerUsdc, record.price);
  throw new KhachapuriError(
    "payment_required",
    `for the ${formatUsdc(allowed)} USDC that you allow it, ${name} keeps less than ` +
      sizeText(bytes),
    { hints: [...await fundingAdvice(context, owner, { ...record, credits }), ELSEWHERE] },
  );
}

/** How many credits at that price have a provider keep so much. */
function creditsFor(bytes: number, bytesPerUsdc: number, price: bigint): bigint {
  const amount = BigInt(Math.ceil(bytes / bytesPerUsdc * Number(USDC)));
  return creditsAdvised(amount / (price > 0n ? price : 1n) + 1n);
}

function takesNothing(name: string): KhachapuriError {
  return new KhachapuriError("not_implemented", `${name} takes no programs from their owners`, {
    hints: [
      "it fetches them from IPFS: publish through a node or service, --kubo URL or --pinata",
      "then give --no-push",
    ],
  });
}

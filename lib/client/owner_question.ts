/** What an owner asks a provider, signed. */
import type { Address, LocalAccount } from "viem";
import type { EscrowDomain } from "../permit.ts";
import {
  OWNER_REQUEST_SECONDS,
  type OwnerQuestion,
  signOwnerRequest,
} from "../spec/owner_request.ts";

/** Whom an owner asks: whose question it is, and where that provider is now. */
export type AskedProvider = EscrowDomain & { address: Address; webDomain: string };

/**
 * Signed for that provider, its chain and its escrow, and short-lived, so that nobody who sees it
 * can ask with it elsewhere or later.
 * @param now Unix ms
 */
export function ownerQuestion(
  account: LocalAccount,
  { action, subject }: Pick<OwnerQuestion, "action" | "subject">,
  { address, chainId, escrow }: AskedProvider,
  now: number,
): ReturnType<typeof signOwnerRequest> {
  const expires = BigInt(Math.floor(now / 1000)) + OWNER_REQUEST_SECONDS / 2n;
  return signOwnerRequest(account, {
    action,
    subject,
    provider: address,
    expires,
    chainId,
    escrow,
  });
}

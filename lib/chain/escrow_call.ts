/** Calls and events of the Escrow contract, and what its errors mean to the one who met them. */
import { type Address, BaseError, RpcRequestError, zeroAddress } from "viem";
import { creditsText } from "../credits_text.ts";
import { timeText } from "../time_text.ts";
import { escrowAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import { asChainError, type RefusalMessages } from "./refusal.ts";
import { formatUsdc } from "./usdc.ts";

const date = (seconds: unknown) => timeText(BigInt(seconds as bigint | number));

/** What the contract's errors mean to the one who met them. */
export const ESCROW_MESSAGES: RefusalMessages = {
  InvalidRecipient: ([to]) => `tokens sent to ${to} would be lost`,
  PayoutMismatch: ([left, received, expected]) =>
    `the token took ${formatUsdc(left as bigint)} and paid out ${
      formatUsdc(received as bigint)
    }, ` +
    `not ${formatUsdc(expected as bigint)}: nothing was moved`,
  EscrowFull: () => "the escrow takes no more",
  InvalidProvider: () => "the zero address can't be a provider",
  DepositMismatch: ([received, expected]) =>
    `the token moved ${formatUsdc(received as bigint)}, not ${formatUsdc(expected as bigint)}`,
  InsufficientBalance: ([available, required]) =>
    `you have ${formatUsdc(available as bigint)} USDC free, need ${formatUsdc(required as bigint)}`,
  ZeroCredits: () => "there are no credits to give or to take back",
  AllowanceDecrease: ([price, credits]) =>
    `${creditsText(credits as bigint)} at ${
      formatUsdc(price as bigint)
    } USDC are allowed already, ` +
    "and can only rise; revoke to lower them",
  SignerLocked: ([signer]) =>
    `while credits are left the signer stays ${
      signer === zeroAddress ? "the payer itself" : signer
    }; revoke first`,
  NothingThawing: () => "there are no credits to take back",
  StillThawing: ([thawEnd]) => `the credits thaw until ${date(thawEnd)}`,
  EpochPending: ([epochEnd]) => `permits are taken back already, by ${date(epochEnd)}`,
  AuthorizationExpired: ([deadline]) => `the message was good until ${date(deadline)}`,
  InvalidAuthorization: () => "the message is not signed by the payer for this escrow",
  InvalidAccountNonce: ([, nonce]) => `the payer's next message is number ${nonce}`,
  FeeTooHigh: ([fee, most]) =>
    `the relayer asks ${formatUsdc(fee as bigint)} USDC, the payer signed ${
      formatUsdc(most as bigint)
    }`,
  ExpiryPassed: ([expiry]) => `${date(expiry)} has passed`,
  WrongCollector: ([collector]) => `the earnings go to the collector ${collector} alone`,
  InsufficientEarnings: ([available, required]) =>
    `${formatUsdc(available as bigint)} USDC of earnings are not collected, ` +
    `${formatUsdc(required as bigint)} are needed`,
  RefundTooHigh: ([paid, required]) =>
    `${formatUsdc(paid as bigint)} USDC were charged on the lane and not refunded, not ${
      formatUsdc(required as bigint)
    }`,
  WrongEpoch: () => "the payer took the permit's epoch back",
  DailyCapReached: () => "the operator has settled its daily cap",
  NotOperator: ([provider, caller]) => `${caller} may not settle for ${provider}`,
  PermitExpired: () => "the permit's deadline has passed",
  PermitExceeded: () => "the permit has no credits left",
  AlreadyCharged: () => "the lane is charged that far already",
  PriceTooHigh: () => "the price is above the permitted or the allowed one",
  InsufficientCredits: () => "the allowance has no credits left",
  InvalidSignature: () => "the permit is not signed by the payer or its signer",
};

/** A call of the escrow, to be read or sent. */
export function escrowCall(escrow: Address, functionName: string, args: readonly unknown[]) {
  return { address: escrow, abi: escrowAbi, functionName, args, messages: ESCROW_MESSAGES };
}

/**
 * What every event of a kind said, oldest first; null where the RPC does not search that far back.
 * @param args what they have to say
 * @throws KhachapuriError `chain_unavailable`
 */
export async function searchEvents(
  chain: Chain,
  escrow: Address,
  eventName: "Allowed" | "OperatorSet",
  args: { payer: Address } | { provider: Address },
): Promise<Readonly<Record<string, unknown>>[] | null> {
  const what = { address: escrow, abi: escrowAbi, eventName, args } as const;
  try {
    const events = await chain.public.getContractEvents({ ...what, fromBlock: "earliest" });
    return events.map((event) => event.args);
  } catch (error) {
    // Public endpoints answer an error of their own to a wide range of blocks.
    if (error instanceof BaseError && error.walk((e) => e instanceof RpcRequestError)) return null;
    throw asChainError(error, chain.endpoint);
  }
}

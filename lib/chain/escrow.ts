/** The Escrow contract, call by call. Amounts are USDC base units, times Unix seconds. */
import {
  type Address,
  BaseError,
  encodeAbiParameters,
  type Hex,
  keccak256,
  type LocalAccount,
  RpcRequestError,
  type TransactionReceipt,
  zeroAddress,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import type { DepositAuthorization } from "../payment_header.ts";
import type { Permit } from "../permit.ts";
import { escrowAbi, usdcAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import { asChainError, type RefusalMessages } from "./refusal.ts";
import { formatUsdc, readUsdcBalance } from "./usdc.ts";

/** What a payer has set aside for one provider. */
export interface Allowance {
  pricePerCredit: bigint;
  /** Credits left, those that thaw included. */
  credits: bigint;
  thawingCredits: bigint;
  /** When what thaws may be reclaimed; zero when nothing thaws. */
  thawEnd: bigint;
  /** Who signs permits; zero when the payer itself does. */
  signer: Address;
}

/** One row of a settlement: the lane's counter shall reach `credits`. */
export interface Charge {
  permit: Permit;
  credits: bigint;
  price: bigint;
}

const date = (seconds: unknown) => new Date(Number(seconds) * 1000).toISOString();

/** What the contract's errors mean to the one who met them. */
export const ESCROW_MESSAGES: RefusalMessages = {
  InvalidRecipient: ([to]) => `tokens sent to ${to} would be lost`,
  InvalidProvider: () => "the zero address can't be a provider",
  DepositMismatch: ([received, expected]) =>
    `the token moved ${formatUsdc(received as bigint)}, not ${formatUsdc(expected as bigint)}`,
  InsufficientBalance: ([available, required]) =>
    `you have ${formatUsdc(available as bigint)} USDC free, need ${formatUsdc(required as bigint)}`,
  ZeroCredits: () => "there are no credits to give or to take back",
  AllowanceDecrease: ([price, credits]) =>
    `${credits} credits at ${formatUsdc(price as bigint)} USDC are allowed already, ` +
    "and can only rise; revoke to lower them",
  SignerLocked: ([signer]) =>
    `while credits are left the signer stays ${
      signer === zeroAddress ? "the payer itself" : signer
    }; revoke first`,
  NothingThawing: () => "there are no credits to take back",
  StillThawing: ([thawEnd]) => `the credits thaw until ${date(thawEnd)}`,
  NotOperator: ([provider, caller]) => `${caller} may not settle for ${provider}`,
  PermitExpired: () => "the permit's deadline has passed",
  PermitExceeded: () => "the permit has no credits left",
  AlreadyCharged: () => "the lane is charged that far already",
  PriceTooHigh: () => "the price is above the permitted or the allowed one",
  InsufficientCredits: () => "the allowance has no credits left",
  InvalidSignature: () => "the permit is not signed by the payer or its signer",
};

function call(escrow: Address, functionName: string, args: readonly unknown[]) {
  return { address: escrow, abi: escrowAbi, functionName, args, messages: ESCROW_MESSAGES };
}

/* READS: each throws KhachapuriError `chain_unavailable` */

/** What `payer` has set aside for `provider`; all zero when nothing. */
export async function readAllowance(
  chain: Chain,
  escrow: Address,
  payer: Address,
  provider: Address,
): Promise<Allowance> {
  return await chain.read<Allowance>(call(escrow, "allowance", [payer, provider]));
}

/** A payer's free balance. */
export async function readBalance(chain: Chain, escrow: Address, payer: Address): Promise<bigint> {
  return await chain.read<bigint>(call(escrow, "balanceOf", [payer]));
}

/**
 * Credits that the escrow has ever taken on a lane, as of `blockNumber` or of the latest block. The
 * contract calls them `consumed`; we call them `settled`, as runs charge a lane before.
 */
export async function readConsumed(
  chain: Chain,
  escrow: Address,
  payer: Address,
  provider: Address,
  lane: Hex,
  blockNumber?: bigint,
): Promise<bigint> {
  const read = call(escrow, "consumed", [payer, provider, lane]);
  return await chain.read<bigint>(blockNumber === undefined ? read : { ...read, blockNumber });
}

/** What a provider may collect. */
export async function earned(
  chain: Chain,
  escrow: Address,
  provider: Address,
): Promise<bigint> {
  return await chain.read<bigint>(call(escrow, "earned", [provider]));
}

/** Seconds from `revoke` to `reclaim`. */
export async function thawingPeriod(chain: Chain, escrow: Address): Promise<bigint> {
  return await chain.read<bigint>(call(escrow, "THAWING_PERIOD", []));
}

/** Whether `operator` may settle for `provider`; the provider itself always may. */
export async function isOperator(
  chain: Chain,
  escrow: Address,
  provider: Address,
  operator: Address,
): Promise<boolean> {
  return await chain.read<boolean>(call(escrow, "isOperator", [provider, operator]));
}

/** The token that the escrow holds. */
export async function readToken(chain: Chain, escrow: Address): Promise<Address> {
  return await chain.read<Address>(call(escrow, "token", []));
}

/**
 * Every provider that `payer` ever allowed, from the escrow's events; null where the RPC does not
 * search that far back.
 * @throws KhachapuriError `chain_unavailable`
 */
export async function readAllowedProviders(
  chain: Chain,
  escrow: Address,
  payer: Address,
): Promise<Address[] | null> {
  try {
    const events = await chain.public.getContractEvents({
      address: escrow,
      abi: escrowAbi,
      eventName: "Allowed",
      args: { payer },
      fromBlock: "earliest",
    });
    return [...new Set(events.flatMap(({ args }) => args.provider ?? []))];
  } catch (error) {
    // Public endpoints answer an error of their own to a wide range of blocks.
    if (error instanceof BaseError && error.walk((e) => e instanceof RpcRequestError)) return null;
    throw asChainError(error, chain.endpoint);
  }
}

/* PAYER: each throws KhachapuriError `chain_refused`, `chain_unavailable` */

/**
 * Puts `amount` into the payer's free balance: approves exactly that much where it is needed, then
 * deposits.
 * @throws KhachapuriError also `invalid_config` when the escrow holds another token than `usdc`
 */
export async function deposit(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  usdc: Address,
  amount: bigint,
): Promise<TransactionReceipt> {
  const { address } = account;
  const [token, balance, approved] = await Promise.all([
    readToken(chain, escrow),
    readUsdcBalance(chain, usdc, address),
    chain.read<bigint>({
      address: usdc,
      abi: usdcAbi,
      functionName: "allowance",
      args: [address, escrow],
    }),
  ]);
  if (token.toLowerCase() !== usdc.toLowerCase()) {
    throw new KhachapuriError("invalid_config", `the escrow holds ${token}, not USDC at ${usdc}`);
  }
  if (balance < amount) {
    const message = `${address} holds ${formatUsdc(balance)} USDC, needs ${formatUsdc(amount)}`;
    throw new KhachapuriError("chain_refused", message, { data: { reason: "InsufficientUsdc" } });
  }
  if (approved < amount) {
    const args = [escrow, amount];
    await chain.send(account, { address: usdc, abi: usdcAbi, functionName: "approve", args });
  }
  return await chain.send(account, call(escrow, "deposit", [amount]));
}

/**
 * Sees to it that `provider` has `credits` credits left at `pricePerCredit` each; locks what is
 * missing out of the free balance. Cancels a pending revoke.
 * @param signer who signs permits; the payer itself when absent
 */
export async function allow(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  wanted: { provider: Address; pricePerCredit: bigint; credits: bigint; signer?: Address },
): Promise<TransactionReceipt> {
  const { provider, pricePerCredit, credits, signer = zeroAddress } = wanted;
  const args = [provider, pricePerCredit, credits, signer];
  return await chain.send(account, call(escrow, "allow", args));
}

/** Starts to take back `credits` credits, or all if fewer are left. */
export async function revoke(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  provider: Address,
  credits: bigint,
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "revoke", [provider, credits]));
}

/** Moves what has thawed back to the free balance. */
export async function reclaim(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  provider: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "reclaim", [provider]));
}

/** Sends `amount` of the free balance to `to`. */
export async function withdraw(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  amount: bigint,
  to: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "withdraw", [amount, to]));
}

/** Sends a payer's signed deposit and allowance, at the sender's gas. */
export async function depositAndAllow(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  payer: Address,
  provider: Address,
  signed: DepositAuthorization,
): Promise<TransactionReceipt> {
  const args = depositAndAllowArguments(payer, provider, signed);
  return await chain.send(account, call(escrow, "depositAndAllow", args));
}

/** The arguments of `depositAndAllow` in their order. */
export function depositAndAllowArguments(
  payer: Address,
  provider: Address,
  signed: DepositAuthorization,
): readonly unknown[] {
  return [
    payer,
    signed.amount,
    signed.validAfter,
    signed.validBefore,
    provider,
    signed.pricePerCredit,
    signed.credits,
    signed.signer,
    signed.salt,
    signed.signature,
  ];
}

/** What the nonce of `depositAndAllow` is the hash of, in the contract's order. */
const DEPOSIT_NONCE_TYPES = [
  { name: "typehash", type: "bytes32" },
  { name: "payer", type: "address" },
  { name: "amount", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "provider", type: "address" },
  { name: "pricePerCredit", type: "uint128" },
  { name: "credits", type: "uint128" },
  { name: "signer", type: "address" },
  { name: "salt", type: "bytes32" },
] as const;

/**
 * The EIP-3009 nonce of a `depositAndAllow`: it binds every parameter of the call, so that USDC's
 * signature authorises nothing else.
 */
export async function depositAndAllowNonce(
  chain: Chain,
  escrow: Address,
  payer: Address,
  provider: Address,
  unsigned: Omit<DepositAuthorization, "signature">,
): Promise<Hex> {
  const typehash = await chain.read<Hex>(call(escrow, "DEPOSIT_AND_ALLOW_TYPEHASH", []));
  return keccak256(
    encodeAbiParameters(DEPOSIT_NONCE_TYPES, [
      typehash,
      payer,
      unsigned.amount,
      unsigned.validAfter,
      unsigned.validBefore,
      provider,
      unsigned.pricePerCredit,
      unsigned.credits,
      unsigned.signer,
      unsigned.salt,
    ]),
  );
}

/* PROVIDER: each throws KhachapuriError `chain_refused`, `chain_unavailable` */

/** Charges one credit on the permit's lane. By the provider or its operator. Not idempotent. */
export async function consume(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  price: bigint,
  permit: Permit,
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "consume", [price, permit]));
}

/** Charges many lanes at once. Idempotent: rows that can't be charged (any more) are skipped. */
export async function consumeBatch(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  charges: readonly Charge[],
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "consume", [charges]));
}

/** Sends all earnings to `to`. The provider's own key only. */
export async function collect(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  to: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "collect", [to]));
}

/** Lets `operator` settle for the provider, never collect; or stops it. */
export async function setOperator(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  operator: Address,
  approved: boolean,
): Promise<TransactionReceipt> {
  return await chain.send(account, call(escrow, "setOperator", [operator, approved]));
}

/** The payer's side of the Escrow contract. Amounts are USDC base units, times Unix seconds. */
import {
  type Address,
  encodeAbiParameters,
  type Hex,
  keccak256,
  type LocalAccount,
  stringToBytes,
  type TransactionReceipt,
  zeroAddress,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import type { DepositAuthorization } from "../deposit_authorization.ts";
import type { Epoch } from "../permit.ts";
import { usdcAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import { escrowCall, searchEvents } from "./escrow_call.ts";
import { formatUsdc } from "./usdc.ts";

/** What a payer has set aside for one provider. */
export interface Allowance extends Epoch {
  pricePerCredit: bigint;
  /** Credits left, those that thaw included. */
  credits: bigint;
  thawingCredits: bigint;
  /** When what thaws may be reclaimed; zero when nothing thaws. */
  thawEnd: bigint;
  /** Who signs permits; zero when the payer itself does. */
  signer: Address;
}

/* READS: each throws KhachapuriError `chain_unavailable` */

/** What `payer` has set aside for `provider`; all zero when nothing. */
export async function readAllowance(
  chain: Chain,
  escrow: Address,
  payer: Address,
  provider: Address,
): Promise<Allowance> {
  return await chain.read<Allowance>(escrowCall(escrow, "allowance", [payer, provider]));
}

/** A payer's free balance. */
export async function readBalance(chain: Chain, escrow: Address, payer: Address): Promise<bigint> {
  return await chain.read<bigint>(escrowCall(escrow, "balanceOf", [payer]));
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
  const read = escrowCall(escrow, "consumed", [payer, provider, lane]);
  return await chain.read<bigint>(blockNumber === undefined ? read : { ...read, blockNumber });
}

/** The nonce of the payer's next message. */
export async function readNonce(chain: Chain, escrow: Address, payer: Address): Promise<bigint> {
  return await chain.read<bigint>(escrowCall(escrow, "nonces", [payer]));
}

/** Seconds from `revoke` to `reclaim`. */
export async function thawingPeriod(chain: Chain, escrow: Address): Promise<bigint> {
  return await chain.read<bigint>(escrowCall(escrow, "THAWING_PERIOD", []));
}

/** The token that the escrow holds. */
export async function readToken(chain: Chain, escrow: Address): Promise<Address> {
  return await chain.read<Address>(escrowCall(escrow, "token", []));
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
  const events = await searchEvents(chain, escrow, "Allowed", { payer });
  return events && [...new Set(events.map(({ provider }) => provider as Address))];
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
  const [token, balance, approved] = await chain.readMany<unknown>([
    escrowCall(escrow, "token", []),
    { address: usdc, abi: usdcAbi, functionName: "balanceOf", args: [address] },
    { address: usdc, abi: usdcAbi, functionName: "allowance", args: [address, escrow] },
  ]) as [Address, bigint, bigint];
  if (token.toLowerCase() !== usdc.toLowerCase()) {
    throw new KhachapuriError("invalid_config", `the escrow holds ${token}, not USDC at ${usdc}`);
  }
  if (balance < amount) {
    const message = `${address} holds ${formatUsdc(balance)} USDC, needs ${formatUsdc(amount)}`;
    throw new KhachapuriError("chain_refused", message, {
      hints: ["send it USDC on this chain"],
      data: { reason: "InsufficientUsdc" },
    });
  }
  if (approved < amount) {
    const args = [escrow, amount];
    await chain.send(account, { address: usdc, abi: usdcAbi, functionName: "approve", args });
  }
  return await chain.send(account, escrowCall(escrow, "deposit", [amount]));
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
  return await chain.send(account, escrowCall(escrow, "allow", args));
}

/** Starts to take back `credits` credits, or all if fewer are left. */
export async function revoke(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  provider: Address,
  credits: bigint,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "revoke", [provider, credits]));
}

/** Takes permits for `provider` back: those signed so far are void a thawing period from now. */
export async function bumpEpoch(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  provider: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "bumpEpoch", [provider]));
}

/** Moves what has thawed back to the free balance. */
export async function reclaim(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  provider: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "reclaim", [provider]));
}

/** Sends `amount` of the free balance to `to`. */
export async function withdraw(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  amount: bigint,
  to: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "withdraw", [amount, to]));
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
  return await chain.send(account, escrowCall(escrow, "depositAndAllow", args));
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

/** The escrow's DEPOSIT_AND_ALLOW_TYPEHASH, which its code fixes as it fixes its address. */
export const DEPOSIT_AND_ALLOW_TYPEHASH = keccak256(stringToBytes(
  "DepositAndAllow(address payer,uint256 amount,uint256 validAfter,uint256 validBefore," +
    "address provider,uint128 pricePerCredit,uint128 credits,address signer,bytes32 salt)",
));

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
export function depositAndAllowNonce(
  payer: Address,
  provider: Address,
  unsigned: Omit<DepositAuthorization, "signature">,
): Hex {
  return keccak256(
    encodeAbiParameters(DEPOSIT_NONCE_TYPES, [
      DEPOSIT_AND_ALLOW_TYPEHASH,
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

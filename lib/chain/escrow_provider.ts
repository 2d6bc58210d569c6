/**
 * The provider's side of the Escrow contract: settling, earnings, operators. Amounts are USDC base
 * units, times Unix seconds.
 */
import {
  type Address,
  type Hex,
  isAddressEqual,
  type LocalAccount,
  type TransactionReceipt,
  zeroAddress,
} from "viem";
import { KhachapuriError } from "../errors.ts";
import type { Permit } from "../permit.ts";
import { escrowAbi } from "./abi.ts";
import type { Chain } from "./client.ts";
import { escrowCall, searchEvents } from "./escrow_call.ts";
import { asChainError } from "./refusal.ts";

/** One row of a settlement: the lane's counter shall reach `credits`. */
export interface Charge {
  permit: Permit;
  credits: bigint;
  price: bigint;
}

/** What an operator may settle. */
export interface OperatorLimits {
  /** Unix seconds from which it no longer may; zero when it never was named, or is dismissed. */
  expiry: bigint;
  /** Most that it may settle in a day of UTC, base units; zero when there is no cap. */
  dailyCap: bigint;
  /** What it settled of that in the day of the block that was asked. */
  spent: bigint;
}

/** The expiry of an operator that has none. */
export const NEVER = (1n << 48n) - 1n;

/** Who alone gets a provider's earnings. */
export interface Collector {
  /** The one in force; null: whomever `collect` names. */
  current: Address | null;
  /** A change under way, and when it takes effect, Unix seconds; null when there is none. */
  pending: { next: Address | null; since: bigint } | null;
}

/* READS: each throws KhachapuriError `chain_unavailable` */

/** What a provider may collect. */
export async function earned(
  chain: Chain,
  escrow: Address,
  provider: Address,
): Promise<bigint> {
  return await chain.read<bigint>(escrowCall(escrow, "earned", [provider]));
}

/**
 * Whether `operator` may settle for `provider`, as of `blockNumber` or of the latest block; the
 * provider itself always may.
 */
export async function isOperator(
  chain: Chain,
  escrow: Address,
  provider: Address,
  operator: Address,
  blockNumber?: bigint,
): Promise<boolean> {
  const read = escrowCall(escrow, "isOperator", [provider, operator]);
  return await chain.read<boolean>(blockNumber === undefined ? read : { ...read, blockNumber });
}

/**
 * Whether `operator` might settle for `provider` at a block, be it long ago: from the state of the
 * block, or, where the node has let go of that, from the escrow's events up to it.
 * @throws KhachapuriError `chain_unavailable` also for a block that is not there
 */
export async function wasOperator(
  chain: Chain,
  escrow: Address,
  provider: Address,
  operator: Address,
  block: bigint,
): Promise<boolean> {
  try {
    return await isOperator(chain, escrow, provider, operator, block);
  } catch (error) {
    const isForgotten = error instanceof KhachapuriError && error.code === "chain_unavailable";
    if (!isForgotten) throw error;
    return await wasNamed(chain, escrow, provider, operator, block);
  }
}

async function wasNamed(
  chain: Chain,
  escrow: Address,
  provider: Address,
  operator: Address,
  blockNumber: bigint,
): Promise<boolean> {
  try {
    const [{ timestamp }, events] = await Promise.all([
      chain.public.getBlock({ blockNumber }),
      chain.public.getContractEvents({
        address: escrow,
        abi: escrowAbi,
        eventName: "OperatorSet",
        args: { provider, operator },
        fromBlock: "earliest",
        toBlock: blockNumber,
      }),
    ]);
    return BigInt(events.at(-1)?.args.expiry ?? 0) > timestamp;
  } catch (error) {
    throw asChainError(error, chain.endpoint);
  }
}

/** What `operator` may settle for `provider`, as of `blockNumber` or of the latest block. */
export async function readOperatorLimits(
  chain: Chain,
  escrow: Address,
  provider: Address,
  operator: Address,
  blockNumber?: bigint,
): Promise<OperatorLimits> {
  const call = escrowCall(escrow, "operatorLimits", [provider, operator]);
  const read = blockNumber === undefined ? call : { ...call, blockNumber };
  const [expiry, dailyCap, spent] = await chain.read<[number, bigint, bigint]>(read);
  return { expiry: BigInt(expiry), dailyCap, spent };
}

/**
 * Every operator that `provider` ever named, from the escrow's events; null where the RPC does not
 * search that far back.
 */
export async function readNamedOperators(
  chain: Chain,
  escrow: Address,
  provider: Address,
): Promise<Address[] | null> {
  const events = await searchEvents(chain, escrow, "OperatorSet", { provider });
  return events && [...new Set(events.map(({ operator }) => operator as Address))];
}

/** Who gets the provider's earnings. */
export async function readCollector(
  chain: Chain,
  escrow: Address,
  provider: Address,
): Promise<Collector> {
  const read = escrowCall(escrow, "collectorOf", [provider]);
  const [current, next, since] = await chain.read<[Address, Address, bigint]>(read);
  const named = (address: Address) => isAddressEqual(address, zeroAddress) ? null : address;
  return {
    current: named(current),
    pending: since === 0n ? null : { next: named(next), since },
  };
}

/** What was charged on a lane and not refunded. */
export async function readPaid(
  chain: Chain,
  escrow: Address,
  payer: Address,
  provider: Address,
  lane: Hex,
): Promise<bigint> {
  return await chain.read<bigint>(escrowCall(escrow, "paid", [payer, provider, lane]));
}

/* CALLS: each throws KhachapuriError `chain_refused`, `chain_unavailable` */

/** Charges one credit on the permit's lane. By the provider or its operator. Not idempotent. */
export async function consume(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  price: bigint,
  permit: Permit,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "consume", [price, permit]));
}

/** Charges many lanes at once. Idempotent: rows that can't be charged (any more) are skipped. */
export async function consumeBatch(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  charges: readonly Charge[],
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "consume", [charges]));
}

/** Sends all earnings to `to`. The provider's own key only. */
export async function collect(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  to: Address,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "collect", [to]));
}

/**
 * Gives `amount` of uncollected earnings from a lane back to its payer's free balance. The
 * provider's own key only; at most `readPaid` of the lane.
 */
export async function refund(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  payer: Address,
  lane: Hex,
  amount: bigint,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "refund", [payer, lane, amount]));
}

/**
 * From now on earnings go to `collector` alone, or after a delay where there is one already; null
 * lets `collect` name anybody. The provider's own key only.
 */
export async function setCollector(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  collector: Address | null,
): Promise<TransactionReceipt> {
  const call = escrowCall(escrow, "setCollector", [collector ?? zeroAddress]);
  return await chain.send(account, call);
}

/**
 * Lets `operator` settle for the provider, never collect or refund.
 * @param limits an expiry of zero dismisses it, `NEVER` has none; a cap of zero is none
 */
export async function setOperator(
  chain: Chain,
  account: LocalAccount,
  escrow: Address,
  operator: Address,
  { expiry, dailyCap }: Pick<OperatorLimits, "expiry" | "dailyCap">,
): Promise<TransactionReceipt> {
  return await chain.send(account, escrowCall(escrow, "setOperator", [operator, expiry, dailyCap]));
}

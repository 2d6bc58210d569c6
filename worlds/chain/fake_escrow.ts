/**
 * The escrow's rules, written down once more from the contract: what a message changes, the events
 * it leaves, the error it reverts with. The state is a chain's in memory; of the token there are
 * balances and nothing else, so that whoever deposits is believed.
 */
import {
  type Address,
  encodeAbiParameters,
  encodeErrorResult,
  encodeEventTopics,
  getAddress,
  type Hex,
  toFunctionSelector,
  zeroAddress,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { escrowAddress } from "../../lib/chain/escrow_code.ts";
import type { Epoch } from "../../lib/permit.ts";
import type { Draft, Slot, Store } from "./fake_state.ts";

export const FAKE_USDC = getAddress(`0x${"dc".repeat(20)}`);
/** What an escrow there is made of: it has the address that follows. */
export const FAKE_TERMS = { usdc: FAKE_USDC, thawingPeriodSeconds: 3_600n };
export const FAKE_ESCROW = escrowAddress(FAKE_TERMS);

/** Whose allowance for whom. */
export interface Pair {
  payer: Address;
  provider: Address;
}

/** As it was last written; `upToDate` has what time and charges have made of it. */
export interface FakeAllowance extends Epoch {
  pricePerCredit: bigint;
  credits: bigint;
  thawingCredits: bigint;
  thawEnd: bigint;
  /** Who signs permits; zero when the payer itself does. */
  signer: Address;
}

export interface FakeOperator {
  expiry: bigint;
  dailyCap: bigint;
  spent: bigint;
}

/** `spent` counts in `day`, days since 1970. */
export interface StoredOperator extends FakeOperator {
  day: bigint;
}

export interface FakeLog {
  eventName: string;
  topics: Hex[];
  data: Hex;
}

/** Who says something to the escrow, and when, Unix seconds. */
export interface Sender {
  from: Address;
  time: bigint;
}

const DAY_SECONDS = 86_400n;
const NONE: FakeAllowance = {
  pricePerCredit: 0n,
  credits: 0n,
  thawingCredits: 0n,
  thawEnd: 0n,
  signer: zeroAddress,
  epoch: 0,
  epochEnd: 0n,
};

const slot = <T>(initial: T, ...names: string[]): Slot<T> => ({
  key: names.join(":").toLowerCase(),
  initial,
});

export function isSame(one: Address, other: Address): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

export const allowanceSlot = ({ payer, provider }: Pair) =>
  slot(NONE, "allowance", payer, provider);
export const laneSlot = ({ payer, provider }: Pair, lane: Hex) =>
  slot({ consumed: 0n, paid: 0n }, "lane", payer, provider, lane);
/** A payer's free balance. */
export const balanceSlot = (payer: Address) => slot(0n, "balance", payer);
export const earnedSlot = (provider: Address) => slot(0n, "earned", provider);
/** USDC outside of the escrow. */
export const walletSlot = (owner: Address) => slot(0n, "wallet", owner);
const usedSlot = (authorization: Hex) => slot(false, "authorization", authorization);
/** Null until the provider has said something about this operator. */
export const operatorSlot = (provider: Address, operator: Address) =>
  slot<StoredOperator | null>(null, "operator", provider, operator);

/** The transaction fails with this; `data` is what the contract says of it. */
export class FakeRevert extends Error {
  readonly data: Hex;

  constructor(readonly errorName: string, args: readonly unknown[] = []) {
    super(errorName);
    this.data = encodeErrorResult({ abi: escrowAbi, errorName, args } as never);
  }
}

/** What a skipped row carries of why. */
export function selectorOf(errorName: string): Hex {
  return toFunctionSelector(`${errorName}()`);
}

/** One of the escrow's events, with every number that the contract gives it. */
export function logOf(
  eventName: string,
  args: Record<string, unknown>,
): FakeLog {
  const event = escrowAbi.find((item) => item.type === "event" && item.name === eventName)!;
  const inputs = (event as unknown as { inputs: { name: string; indexed: boolean }[] }).inputs;
  const told = inputs.filter(({ indexed }) => !indexed);
  return {
    eventName,
    topics: encodeEventTopics({ abi: escrowAbi, eventName, args } as never) as Hex[],
    data: encodeAbiParameters(told as never, told.map(({ name }) => args[name]) as never),
  };
}

/** What is left of a notice when charges have taken from what thaws, and epochs have ended. */
export function upToDate(stored: FakeAllowance, time: bigint): FakeAllowance {
  const { credits, epochEnd } = stored;
  const thawingCredits = stored.thawingCredits < credits ? stored.thawingCredits : credits;
  const isOver = epochEnd !== 0n && time >= epochEnd;
  return {
    ...stored,
    thawingCredits,
    thawEnd: thawingCredits === 0n ? 0n : stored.thawEnd,
    epoch: isOver ? stored.epoch + 1 : stored.epoch,
    epochEnd: isOver ? 0n : epochEnd,
  };
}

/** What an operator may settle; null when it was never named. */
export function operatorAt(
  store: Store,
  { provider, operator, time }: { provider: Address; operator: Address; time: bigint },
): FakeOperator | null {
  const named = store.get(operatorSlot(provider, operator)) ??
    store.get(operatorSlot(provider, zeroAddress));
  if (named === null) return null;
  const { expiry, dailyCap, spent, day } = named;
  return { expiry, dailyCap, spent: day === time / DAY_SECONDS ? spent : 0n };
}

/** Counts what an operator has settled today; one that stands in for all is counted as one. */
export function spend(
  draft: Draft,
  { provider, operator, time }: { provider: Address; operator: Address; time: bigint },
  amount: bigint,
): void {
  const own = operatorSlot(provider, operator);
  const slot = draft.get(own) === null ? operatorSlot(provider, zeroAddress) : own;
  const { expiry, dailyCap, spent } = operatorAt(draft, { provider, operator, time })!;
  draft.set(slot, { expiry, dailyCap, spent: spent + amount, day: time / DAY_SECONDS });
}

function debit(draft: Draft, payer: Address, amount: bigint): void {
  const available = draft.get(balanceSlot(payer));
  if (amount > available) throw new FakeRevert("InsufficientBalance", [available, amount]);
  draft.set(balanceSlot(payer), available - amount);
}

export function credit(draft: Draft, payer: Address, amount: bigint): void {
  draft.set(balanceSlot(payer), draft.get(balanceSlot(payer)) + amount);
}

/** The terms of an allowance that is wanted. */
export interface Wanted {
  pricePerCredit: bigint;
  credits: bigint;
  signer: Address;
}

export function allow(draft: Draft, pair: Pair, { pricePerCredit, credits, ...by }: Wanted) {
  const { payer, provider } = pair;
  if (provider === zeroAddress) throw new FakeRevert("InvalidProvider");
  if (credits === 0n) throw new FakeRevert("ZeroCredits");
  const signer = isSame(by.signer, payer) ? zeroAddress : by.signer;
  const held = draft.get(allowanceSlot(pair));
  if (held.credits !== 0n) {
    if (pricePerCredit < held.pricePerCredit || credits < held.credits) {
      throw new FakeRevert("AllowanceDecrease", [held.pricePerCredit, held.credits]);
    }
    if (!isSame(signer, held.signer)) throw new FakeRevert("SignerLocked", [held.signer]);
  }
  debit(draft, payer, pricePerCredit * credits - held.pricePerCredit * held.credits);
  const { epoch, epochEnd } = held;
  const now = { pricePerCredit, credits, thawingCredits: 0n, thawEnd: 0n, signer, epoch, epochEnd };
  draft.set(allowanceSlot(pair), now);
  return logOf("Allowed", { payer, provider, pricePerCredit, credits, signer });
}

export function revoke(draft: Draft, pair: Pair, credits: bigint, effective: bigint): FakeLog {
  const held = draft.get(allowanceSlot(pair));
  const thawingCredits = credits < held.credits ? credits : held.credits;
  if (thawingCredits === 0n) throw new FakeRevert("ZeroCredits");
  draft.set(allowanceSlot(pair), { ...held, thawingCredits, thawEnd: effective });
  return logOf("RevokeStarted", { ...pair, thawingCredits, thawEnd: effective });
}

export function bumpEpoch(draft: Draft, pair: Pair, time: bigint, effective: bigint): FakeLog {
  if (pair.provider === zeroAddress) throw new FakeRevert("InvalidProvider");
  const stored = draft.get(allowanceSlot(pair));
  const { epoch, epochEnd } = upToDate(stored, time);
  if (epochEnd !== 0n) throw new FakeRevert("EpochPending", [epochEnd]);
  draft.set(allowanceSlot(pair), { ...stored, epoch, epochEnd: effective });
  return logOf("EpochBumped", { ...pair, epoch: epoch + 1, epochEnd: effective });
}

export function reclaim(draft: Draft, pair: Pair, time: bigint): FakeLog {
  const stored = draft.get(allowanceSlot(pair));
  const { credits, thawingCredits, thawEnd, pricePerCredit } = upToDate(stored, time);
  if (thawingCredits === 0n) throw new FakeRevert("NothingThawing");
  if (time < thawEnd) throw new FakeRevert("StillThawing", [thawEnd]);
  const amount = thawingCredits * pricePerCredit;
  const left = { credits: credits - thawingCredits, thawingCredits: 0n, thawEnd: 0n };
  draft.set(allowanceSlot(pair), { ...stored, ...left });
  credit(draft, pair.payer, amount);
  return logOf("Reclaimed", { ...pair, credits: thawingCredits, amount });
}

export function setOperator(
  draft: Draft,
  { from: provider, time }: Sender,
  [operator, expiry, dailyCap]: readonly [Address, number, bigint],
): FakeLog {
  if (expiry !== 0 && BigInt(expiry) <= time) throw new FakeRevert("ExpiryPassed", [expiry]);
  const { spent, day } = draft.get(operatorSlot(provider, operator)) ?? { spent: 0n, day: 0n };
  draft.set(operatorSlot(provider, operator), { expiry: BigInt(expiry), dailyCap, spent, day });
  return logOf("OperatorSet", { provider, operator, expiry, dailyCap });
}

/** USDC moves into the payer's free balance; `authorization` is good for once. */
export function deposit(
  draft: Draft,
  payer: Address,
  amount: bigint,
  authorization: Hex | null = null,
): FakeLog {
  const held = draft.get(walletSlot(payer));
  if (held < amount) throw new FakeRevert("DepositMismatch", [held, amount]);
  if (authorization !== null && draft.get(usedSlot(authorization))) {
    throw new FakeRevert("DepositMismatch", [0n, amount]);
  }
  if (authorization !== null) draft.set(usedSlot(authorization), true);
  draft.set(walletSlot(payer), held - amount);
  credit(draft, payer, amount);
  return logOf("Deposited", { payer, amount });
}

/**
 * What the escrow's `consume` may do, written down once more from the contract's documentation, on
 * a state in memory; and the logs and answers that a chain would give for it.
 */
import {
  type Address,
  decodeFunctionData,
  encodeAbiParameters,
  encodeEventTopics,
  encodeFunctionResult,
  getAddress,
  type Hex,
  toFunctionSelector,
  zeroAddress,
} from "viem";
import { escrowAbi } from "../../lib/chain/abi.ts";
import { escrowAddress } from "../../lib/chain/escrow_code.ts";
import type { Charge } from "../../lib/chain/escrow_provider.ts";
import { type Epoch, type Permit, recoverPermitSigner } from "../../lib/permit.ts";

export const FAKE_USDC = getAddress(`0x${"dc".repeat(20)}`);
/** What an escrow there is made of: it has the address that follows. */
export const FAKE_TERMS = { usdc: FAKE_USDC, thawingPeriodSeconds: 3_600n };
export const FAKE_ESCROW = escrowAddress(FAKE_TERMS);

/** When what thaws here may be reclaimed, Unix seconds. */
const THAW_END = 8_000_000_000n;

export interface FakeAllowance {
  pricePerCredit: bigint;
  credits: bigint;
  thawingCredits: bigint;
  /** As they were last written; `epochsOf` brings them up to date. */
  epoch: number;
  epochEnd: bigint;
}

export interface State {
  allowances: Map<Address, FakeAllowance>;
  /** By `payer:lane`. */
  consumed: Map<string, bigint>;
  /** Mined transactions of the operator. */
  nonce: number;
  /** What the operator may settle. */
  operator: FakeOperator;
}

export interface FakeOperator {
  expiry: bigint;
  dailyCap: bigint;
  spent: bigint;
}

export interface FakeLog {
  eventName: string;
  topics: Hex[];
  data: Hex;
}

/**
 * Runs call data on a state; returns its logs, or the name of the error it reverts with.
 * @param now the chain's clock, Unix seconds
 */
export function createEscrow(chainId: number, now: () => bigint) {
  const signers = new Map<string, Address | null>();

  async function signerOf(permit: Permit): Promise<Address | null> {
    const key = Object.values(permit).join();
    const known = signers.get(key);
    if (known !== undefined) return known;
    const signer = await recoverPermitSigner({ chainId, escrow: FAKE_ESCROW }, permit);
    signers.set(key, signer);
    return signer;
  }

  async function charge(state: State, { permit, credits, price }: Charge): Promise<string | null> {
    const key = `${permit.payer}:${permit.lane}`;
    const before = state.consumed.get(key) ?? 0n;
    const held = state.allowances.get(permit.payer) ?? none();
    if (credits <= before) return "AlreadyCharged";
    if (credits > permit.credits) return "PermitExceeded";
    if (price > permit.price || price > held.pricePerCredit) return "PriceTooHigh";
    if (credits - before > held.credits) return "InsufficientCredits";
    const { dailyCap, spent } = state.operator;
    const amount = (credits - before) * price;
    if (dailyCap > 0n && spent + amount > dailyCap) return "DailyCapReached";
    const { epoch, epochEnd } = epochsOf(held, now());
    const isNext = epochEnd !== 0n && permit.epoch === epoch + 1;
    if (permit.epoch !== epoch && !isNext) return "WrongEpoch";
    if (await signerOf(permit) !== permit.payer) return "InvalidSignature";
    const left = held.credits - (credits - before);
    const thawingCredits = held.thawingCredits < left ? held.thawingCredits : left;
    state.allowances.set(permit.payer, { ...held, credits: left, thawingCredits });
    state.consumed.set(key, credits);
    state.operator = { ...state.operator, spent: spent + amount };
    return null;
  }

  async function execute(state: State, data: Hex): Promise<FakeLog[] | string> {
    if (data === "0x") return [];
    const { args } = decodeFunctionData({ abi: escrowAbi, data });
    if (Array.isArray(args![0])) {
      const logs: FakeLog[] = [];
      for (const row of args![0] as Charge[]) {
        const before = state.consumed.get(`${row.permit.payer}:${row.permit.lane}`) ?? 0n;
        const refusal = await charge(state, row);
        logs.push(refusal ? skipped(row, refusal) : charged(row, row.credits - before));
      }
      return logs;
    }
    const [price, permit] = args as unknown as [bigint, Permit];
    const next = (state.consumed.get(`${permit.payer}:${permit.lane}`) ?? 0n) + 1n;
    const row = { permit, price, credits: next };
    return await charge(state, row) ?? [charged(row, 1n)];
  }

  return execute;
}

export function none(): FakeAllowance {
  return { pricePerCredit: 0n, credits: 0n, thawingCredits: 0n, epoch: 0, epochEnd: 0n };
}

/** Nobody writes when an epoch ends. */
export function epochsOf({ epoch, epochEnd }: FakeAllowance, now: bigint): Epoch {
  const isOver = epochEnd !== 0n && now >= epochEnd;
  return isOver ? { epoch: epoch + 1, epochEnd: 0n } : { epoch, epochEnd };
}

export function copy({ allowances, consumed, nonce, operator }: State): State {
  return { allowances: new Map(allowances), consumed: new Map(consumed), nonce, operator };
}

export function read(data: Hex, state: State, now: bigint): Hex {
  const { functionName, args } = decodeFunctionData({ abi: escrowAbi, data });
  const payer = args![0] as Address;
  if (functionName === "consumed") {
    const result = state.consumed.get(`${payer}:${args![2]}`) ?? 0n;
    return encodeFunctionResult({ abi: escrowAbi, functionName, result });
  }
  if (functionName === "operatorLimits") {
    const { expiry, dailyCap, spent } = state.operator;
    const result = [Number(expiry), dailyCap, spent] as const;
    return encodeFunctionResult({ abi: escrowAbi, functionName, result });
  }
  const held = state.allowances.get(payer) ?? none();
  const { epoch, epochEnd } = epochsOf(held, now);
  return encodeAbiParameters(
    ["uint128", "uint128", "uint128", "uint64", "address", "uint32", "uint64"]
      .map((type) => ({ type })),
    [
      held.pricePerCredit,
      held.credits,
      held.thawingCredits,
      held.thawingCredits > 0n ? THAW_END : 0n,
      zeroAddress,
      epoch,
      epochEnd,
    ],
  );
}

function charged({ permit, credits, price }: Charge, fresh: bigint): FakeLog {
  const topics = encodeEventTopics({ abi: escrowAbi, eventName: "Charged", args: permit }) as Hex[];
  return { eventName: "Charged", topics, data: words("uint256", fresh, credits, price) };
}

function skipped({ permit, credits }: Charge, reason: string): FakeLog {
  const eventName = "ChargeSkipped";
  const topics = encodeEventTopics({ abi: escrowAbi, eventName, args: permit }) as Hex[];
  const types = [{ type: "uint256" }, { type: "bytes4" }];
  return { eventName, topics, data: encodeAbiParameters(types, [credits, selectorOf(reason)]) };
}

export function dataOf(eventName: string, held: FakeAllowance): Hex {
  const { pricePerCredit, credits, thawingCredits } = held;
  if (eventName === "Allowed") {
    const types = ["uint128", "uint128", "address"].map((type) => ({ type }));
    return encodeAbiParameters(types, [pricePerCredit, credits, zeroAddress]);
  }
  if (eventName === "EpochBumped") {
    const types = ["uint32", "uint64"].map((type) => ({ type }));
    return encodeAbiParameters(types, [held.epoch + 1, held.epochEnd]);
  }
  if (eventName === "RevokeStarted") return words("uint128", thawingCredits, 0n);
  return words("uint128", credits, 0n);
}

function words(type: string, ...values: bigint[]): Hex {
  return encodeAbiParameters(values.map(() => ({ type })), values);
}

export function selectorOf(error: string): Hex {
  return toFunctionSelector(`${error}()`);
}

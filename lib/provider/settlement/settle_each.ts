/**
 * `--settle each`, the seed's literal flow: `consume(price, permit)` is mined before the program
 * runs. It is one credit and not idempotent, so the transaction keeps its nonce until it is mined;
 * a credit that our side then fails to use stays on the lane as prepaid.
 */
import type { Address } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow.ts";
import { KhachapuriError } from "../../errors.ts";
import type { Bill } from "../money/bill.ts";
import type { Operator } from "./operator.ts";

/** How long a caller waits for its credit to be mined, ms. */
const MINED_TIMEOUT_MS = 60_000;

/** Takes one credit of the bill's lane on chain; resolves when the ledger has it as settled. */
export function createConsume(operator: Operator, escrow: Address): (bill: Bill) => Promise<void> {
  return async (bill) => {
    const { permit, price } = bill;
    const sent = operator.send({
      address: escrow,
      abi: escrowAbi,
      functionName: "consume",
      args: [price, permit],
      messages: ESCROW_MESSAGES,
    });
    const receipt = await withinTime(sent, MINED_TIMEOUT_MS, unmined).catch((error) => {
      throw error.code === "chain_refused" ? refused(error) : error;
    });
    if (receipt.status !== "success") throw refused();
  };
}

/** What the escrow would still give: to the payer's bills, and to those on the bill's lane. */
export interface Remaining {
  payer: bigint;
  lane: bigint;
}

/**
 * Credits whose transactions are out. A simulation does not see those that wait for their block,
 * so one more than the last credit would be sent, and revert at our gas.
 * @returns asks for one; what it returns is to be called when its transaction is over
 */
export function createAsking(): (bill: Bill, remaining: Remaining) => () => void {
  const asked = new Map<string, bigint>();
  const add = (key: string, by: bigint) => {
    const count = (asked.get(key) ?? 0n) + by;
    if (count > 0n) asked.set(key, count);
    else asked.delete(key);
  };
  return ({ payer, lane }, remaining) => {
    const ofLane = `${payer}:${lane}`;
    const isLast = (key: string, left: bigint) => (asked.get(key) ?? 0n) >= left;
    if (isLast(payer, remaining.payer) || isLast(ofLane, remaining.lane)) throw allAsked();
    for (const key of [payer, ofLane]) add(key, 1n);
    return () => {
      for (const key of [payer, ofLane]) add(key, -1n);
    };
  };
}

/**
 * Waits for a transaction as long as a caller can. It goes on without the caller.
 * @throws what `late` makes when `timeoutMs` have passed
 */
export async function withinTime<T>(
  work: Promise<T>,
  timeoutMs: number,
  late: () => KhachapuriError,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function allAsked(): KhachapuriError {
  return new KhachapuriError("overloaded", "the last credits are being taken by other calls", {
    retryAfterSeconds: 2,
  });
}

function refused(cause?: KhachapuriError): KhachapuriError {
  const why = cause ? `: ${cause.shortMessage}` : "";
  return new KhachapuriError("payment_required", `the escrow refused the credit${why}`, { cause });
}

function unmined(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "the credit was not mined in time", {
    retryAfterSeconds: 10,
    hints: ["if it is mined later, the next call on this lane is prepaid"],
  });
}

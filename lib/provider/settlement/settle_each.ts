/**
 * `--settle each`, the seed's literal flow: `consume(price, permit)` is mined before the program
 * runs. It is one credit and not idempotent, so the transaction keeps its nonce until it is mined;
 * a credit that our side then fails to use stays on the lane as prepaid.
 */
import type { Address } from "viem";
import { escrowAbi } from "../../chain/abi.ts";
import { ESCROW_MESSAGES } from "../../chain/escrow_call.ts";
import { KhachapuriError } from "../../errors.ts";
import { CONSUME_TIMEOUT_MS } from "../../limits.ts";
import { withinTime } from "../../within.ts";
import type { Consume } from "../money/credits.ts";
import type { Operator } from "./operator.ts";

/** Takes one credit of the bill's lane on chain; resolves when the ledger has it as settled. */
export function createConsume(operator: Pick<Operator, "send">, escrow: Address): Consume {
  return async ({ permit, price }) => {
    const call = {
      address: escrow,
      abi: escrowAbi,
      functionName: "consume",
      args: [price, permit],
      messages: ESCROW_MESSAGES,
    };
    const sent = operator.send(call, { rank: "settlement", costMax: null });
    const receipt = await withinTime(sent, CONSUME_TIMEOUT_MS, unmined).catch((error) => {
      throw error.code === "chain_refused" ? refusalOf(error) : error;
    });
    if (receipt.status !== "success") throw refused(null);
  };
}

/** A limit of the operator's own is not the payer's trouble. */
function refusalOf(error: KhachapuriError): KhachapuriError {
  const { reason } = error.data;
  if (reason !== "DailyCapReached" && reason !== "NotOperator") return refused(error);
  return new KhachapuriError("overloaded", "the provider's operator can settle no more today", {
    cause: error,
    retryAfterSeconds: 60,
    hints: ["nothing was charged"],
  });
}

function refused(cause: KhachapuriError | null): KhachapuriError {
  const why = cause ? `: ${cause.shortMessage}` : "";
  return new KhachapuriError("payment_required", `the escrow refused the credit${why}`, {
    ...(cause ? { cause } : {}),
  });
}

function unmined(): KhachapuriError {
  return new KhachapuriError("chain_unavailable", "the credit was not mined in time", {
    retryAfterSeconds: 10,
    hints: ["if it is mined later, the next call on this lane is prepaid"],
  });
}

/**
 * The operator's transactions, durable: one is on disk, signed, before it is broadcast, and keeps
 * its nonce whatever happens. A retry is the same nonce again (with a higher fee when it is stuck),
 * so a call that is not idempotent is mined once or never.
 */
import {
  type Address,
  encodeFunctionData,
  getContractError,
  type LocalAccount,
  type TransactionReceipt,
} from "viem";
import type { Chain, ContractCall } from "../../chain/client.ts";
import { estimateGas, type GiveUp, type Notice, Outbox } from "../../chain/outbox/outbox.ts";
import type { Outgoing } from "../../chain/outbox/store.ts";
import { readFailure, wordFailure } from "../../chain/refusal.ts";
import { KhachapuriError } from "../../errors.ts";
import { NONCE_HOLE_MAX } from "../../limits.ts";
import type { Log } from "../../log.ts";
import { openOutboxStore } from "./outbox_store.ts";

export interface OperatorOptions {
  path: string;
  chain: Chain;
  account: LocalAccount;
  log: Log;
  /** Called once for every mined transaction, also those of an earlier process. */
  onMined(receipt: TransactionReceipt): Promise<void>;
  /** Between two looks for receipts, ms. */
  pollMs?: number;
  /** After this long without a receipt the fee is raised, ms. */
  bumpAfterMs?: number;
  now?: () => number;
}

export interface Operator {
  readonly address: Address;
  /**
   * Whether the chain would take `call` now, as far as one can tell; beside the queue of what is
   * sent.
   * @throws KhachapuriError `chain_refused`, `chain_unavailable`, as `send`
   */
  simulate(call: ContractCall): Promise<void>;
  /**
   * Simulates, signs, stores and broadcasts `call`; resolves with its receipt, whether it succeeded
   * or reverted.
   * @throws KhachapuriError `chain_refused` with the custom error in `data.reason`: nothing was
   *   sent; `chain_unavailable`: nothing was sent, or it was given up because its nonce is used
   */
  send(call: ContractCall): Promise<TransactionReceipt>;
  /** Transactions that are neither mined nor dropped. */
  pending(): number;
  close(): Promise<void>;
}

/** Opens the operator's outbox and takes up what an earlier process left unmined. */
export function openOperator(options: OperatorOptions): Operator {
  const { account, log, onMined, chain: { public: client, chainId, endpoint } } = options;
  const pollMs = options.pollMs ?? 500;
  const store = openOutboxStore(options.path);
  const outbox = new Outbox({
    client,
    endpoint,
    chainId,
    account,
    store,
    policy: {
      rebroadcastAfterMs: 0,
      giveUpAfterMs: null,
      repair: { afterMs: options.bumpAfterMs ?? 30_000, holeMax: NONCE_HOLE_MAX },
    },
    pause: { firstMs: pollMs, lastMs: pollMs },
    launchAttempts: null,
    now: options.now ?? Date.now,
    onMined,
    wordGiveUp,
    notice: (notice) => logNotice(log, notice),
  });

  /** As of now: what is out and not mined yet is not in the simulation. */
  async function prepare({ address, abi, functionName, args = [] }: ContractCall) {
    const call = { to: address, data: encodeFunctionData({ abi, functionName, args }) };
    const outgoing: Outgoing = { ...call, gas: await estimateGas(client, account.address, call) };
    return outgoing;
  }

  const refused = (call: ContractCall) => (cause: unknown) => {
    throw refusal(cause, call, account.address, endpoint);
  };

  return {
    address: account.address,
    async simulate(call) {
      await prepare(call).catch(refused(call));
    },
    async send(call) {
      const { mined } = await outbox.launch(() => prepare(call)).catch(refused(call));
      return await mined;
    },
    pending: () => outbox.size,
    async close() {
      await outbox.close();
      store.close();
    },
  };
}

const GIVEN_UP: Readonly<Record<GiveUp["reason"], string>> = {
  "used elsewhere": "the operator's nonce was used elsewhere",
  "far ahead": "the operator's nonce is far ahead",
  "late": "the operator's transaction was not mined in time",
  "not accepted": "the operator's transaction was not accepted",
};

function wordGiveUp({ reason }: GiveUp): KhachapuriError {
  return new KhachapuriError("chain_unavailable", GIVEN_UP[reason], {
    hints: ["use the operator key on one provider only"],
  });
}

function logNotice(log: Log, notice: Notice): void {
  switch (notice.kind) {
    case "not accepted": {
      const { nonce, failure: { message } } = notice;
      return log.debug("operator transaction not accepted yet", { nonce, message });
    }
    case "raised":
      return log.warn("operator transaction stuck, fee raised", { nonce: notice.nonce });
    case "filling":
      return log.warn("filling the operator's free nonces", {
        from: notice.from,
        below: notice.below,
      });
    case "given up":
      return log.error("operator transaction given up", {
        nonce: notice.nonce,
        why: GIVEN_UP[notice.reason],
      });
    case "put off":
      return log.warn("looking for receipts again", { message: notice.failure.message });
  }
}

/** The escrow's own no stays `chain_refused`; that we lack gas is our trouble, not the payer's. */
function refusal(
  cause: unknown,
  call: ContractCall,
  sender: Address,
  endpoint: string,
): KhachapuriError {
  const { abi, address, functionName, args = [], messages } = call;
  const about = { abi, address, functionName, args, sender };
  const failure = readFailure(getContractError(cause as Error, about), endpoint, messages);
  const error = wordFailure(failure);
  if (failure.kind === "reverted" || failure.kind === "no contract") return error;
  return new KhachapuriError("chain_unavailable", "the provider cannot settle right now", {
    cause: error,
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again"],
  });
}

/**
 * The operator's transactions, durable: one is on disk, signed, before it is broadcast, and keeps
 * its nonce whatever happens. A retry is the same nonce again (with a higher fee when it is stuck),
 * so a call that is not idempotent is mined once or never.
 */
import {
  type Address,
  type BaseError,
  encodeFunctionData,
  getContractError,
  type Hex,
  type LocalAccount,
  type TransactionReceipt,
} from "viem";
import type { Chain, ContractCall } from "../../chain/client.ts";
import {
  estimateGas,
  type GiveUp,
  type Launched,
  type Notice,
  Outbox,
} from "../../chain/outbox/outbox.ts";
import type { Outgoing } from "../../chain/outbox/store.ts";
import { asChainError, readFailure, wordFailure } from "../../chain/refusal.ts";
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

/** How one transaction stands among the others. */
export interface Sending {
  /** What is settled goes before what is relayed for others. */
  rank: "settlement" | "relay";
  /** The most that it may cost, wei, by what it is worth; null: what the configuration allows. */
  costMax: bigint | null;
  /** Gas that it is given at least, whatever the estimate says. */
  gasMin?: bigint;
}

/** What an operator sends: a call of a contract's function, or plain bytes. */
export type OperatorCall = ContractCall | { to: Address; data: Hex };

export interface Operator {
  readonly address: Address;
  /**
   * Whether the chain would take `call` now, as far as one can tell; beside the queue of what is
   * sent.
   * @throws KhachapuriError `chain_refused`, `chain_unavailable`, as `send`
   */
  simulate(call: OperatorCall): Promise<void>;
  /**
   * Simulates, signs, stores and broadcasts `call`; it is out when this resolves.
   * @throws KhachapuriError `chain_refused` with the custom error in `data.reason`,
   *   `chain_unavailable`: nothing was sent
   */
  launch(call: OperatorCall, sending: Sending): Promise<Launched>;
  /**
   * Launches `call`; resolves with its receipt, whether it succeeded or reverted.
   * @throws KhachapuriError as `launch`; `chain_unavailable` also when it was given up because its
   *   nonce is used
   */
  send(call: OperatorCall, sending: Sending): Promise<TransactionReceipt>;
  /**
   * What a unit of gas costs now, base fee and tip, wei; a few seconds old at most.
   * @throws KhachapuriError `chain_unavailable`
   */
  gasPrice(): Promise<bigint>;
  /** Transactions that are neither mined nor dropped. */
  pending(): number;
  /** What a person must look at, in plain words; empty when all is well. */
  alarms(): readonly string[];
  close(): Promise<void>;
}

/** A price of gas is good for this long, ms: about as long as a block. */
const GAS_PRICE_MS = 2_000;

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
  async function prepare(call: OperatorCall, gasMin = 0n): Promise<Outgoing> {
    const bytes = bytesOf(call);
    const gas = await estimateGas(client, account.address, bytes);
    return { ...bytes, gas: gas > gasMin ? gas : gasMin };
  }

  const refused = (call: OperatorCall) => (cause: unknown) => {
    throw refusal(cause, call, account.address, endpoint);
  };

  const launch = (call: OperatorCall, { gasMin }: Sending) =>
    outbox.launch(() => prepare(call, gasMin)).catch(refused(call));
  const gasPrice = readGasPrice(options.chain, options.now ?? Date.now);

  return {
    address: account.address,
    async simulate(call) {
      await prepare(call).catch(refused(call));
    },
    launch,
    async send(call, sending) {
      const { mined } = await launch(call, sending);
      return await mined;
    },
    gasPrice,
    pending: () => outbox.size,
    alarms: () => [],
    async close() {
      await outbox.close();
      store.close();
    },
  };
}

function bytesOf(call: OperatorCall): { to: Address; data: Hex } {
  if ("to" in call) return call;
  const { address: to, abi, functionName, args = [] } = call;
  return { to, data: encodeFunctionData({ abi, functionName, args }) };
}

/** Reads the price of gas, once for all who ask within `GAS_PRICE_MS`. */
function readGasPrice({ public: client, endpoint }: Chain, now: () => number) {
  let last: { at: number; price: Promise<bigint> } | null = null;
  const read = async () => {
    const [{ baseFeePerGas }, tip] = await Promise.all([
      client.getBlock(),
      client.estimateMaxPriorityFeePerGas(),
    ]);
    return (baseFeePerGas ?? 0n) + tip;
  };
  return async () => {
    if (last && now() - last.at < GAS_PRICE_MS) return await last.price;
    const asked = { at: now(), price: read() };
    last = asked;
    try {
      return await asked.price;
    } catch (error) {
      if (last === asked) last = null;
      throw asChainError(error, endpoint);
    }
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

function failureOf(cause: unknown, call: OperatorCall, sender: Address, endpoint: string) {
  if ("to" in call) return readFailure(cause as BaseError, endpoint);
  const { abi, address, functionName, args = [], messages } = call;
  const about = { abi, address, functionName, args, sender };
  return readFailure(getContractError(cause as BaseError, about), endpoint, messages);
}

/** The escrow's own no stays `chain_refused`; that we lack gas is our trouble, not the payer's. */
function refusal(
  cause: unknown,
  call: OperatorCall,
  sender: Address,
  endpoint: string,
): KhachapuriError {
  const failure = failureOf(cause, call, sender, endpoint);
  const error = wordFailure(failure);
  if (failure.kind === "reverted" || failure.kind === "no contract") return error;
  return new KhachapuriError("chain_unavailable", "the provider cannot settle right now", {
    cause: error,
    retryAfterSeconds: 5,
    hints: ["nothing was charged; try again"],
  });
}
